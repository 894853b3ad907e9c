// The only file that knows how elements are stored. A program is: the version line, the
// extensions, the kernel's defines, section "common" below, one section an operand, one line
// a parameter, then the kernel's template, then section "main". lib/glcompute/program.c
// picks the sections by name and replaces:
// @X the operand's name  @B its binding (storage block or image unit)
// @O its base, a parameter word  @N how a stored value is narrowed  @V @C word of a parameter
// @K @J @S see "segment 0 read".
//
// What a template can use for an operand X:
//   T_X       what LOAD_X gives: vec4, ivec4, uvec4 (view VEC4), float, int, uint, or uvec2
//             (low, high word of an int64) (view ELEMENT)
//   S_X       the type of one element
//   UNIT_X    elements that one STORE writes: 4, 1, or 2 (ELEMENT view of packed halves)
//   E_X       an element of its storage block: what GET_X and PUT_X move, for LOAD and STORE
//   LOAD_X(int i)            element i, or vec4 i, of the operand
//   LOADZ_X(bool ok, int i)  the same, or zeros where not ok (i may then be anything)
//   STORE_X(int i, T_X v)    store vec4 or element i;  packed halves by ELEMENT have instead
//   STORE2_X(int i, vec2 v)  elements 2i and 2i+1
// and besides: GROUP (ivec3), LOCAL (int), LOCAL_ID (ivec3), LOCAL_SIZE (int), FLAT (int),
// p_NAME for each parameter, READ_IMAGE (1 or 0). An index past a tensor's end is never
// loaded, except that on READ_IMAGE a negative index below the base (-2^28) gives zeros.
// LOCAL and LOCAL_ID are masked because virglrenderer (0.10) writes a built-in that is a signed
// instruction's own operand as uvec4: abs(uvec4), from LOCAL / 8, does not compile there.

//: common
precision highp float;
precision highp int;
#if READ_IMAGE
precision highp imageBuffer;
precision highp uimageBuffer;
precision highp iimageBuffer;
#endif
layout(std140, binding = 0) uniform Params { ivec4 params_[PARAM_VEC4S]; };
#if READ_IMAGE
ivec4 w_[PARAM_VEC4S]; // see "main"
#define main kernel_main
#else
#define w_ params_
#endif
#define GROUP (ivec3(gl_WorkGroupID) + w_[0].xyz)
#define LOCAL int(gl_LocalInvocationIndex & 0xffffu)
#define LOCAL_ID ivec3(gl_LocalInvocationID & 0xffffu)
#define FLAT (GROUP.x * LOCAL_SIZE + LOCAL)
#ifndef EPILOGUE
#define EPILOGUE(v, at) (v)
#endif
float as_plain(float v) { return v; }
vec4 as_plain(vec4 v) { return v; }
int as_plain(int v) { return v; }
ivec4 as_plain(ivec4 v) { return v; }
uint as_plain(uint v) { return v; }
uvec4 as_plain(uvec4 v) { return v; }
float as_half(float v) { return unpackHalf2x16(packHalf2x16(vec2(v, 0.0))).x; }
vec4 as_half(vec4 v) {
    return vec4(unpackHalf2x16(packHalf2x16(v.xy)), unpackHalf2x16(packHalf2x16(v.zw)));
}
int as_int8(int v) { return bitfieldExtract(v, 0, 8); }
ivec4 as_int8(ivec4 v) { return bitfieldExtract(v, 0, 8); }
int as_int16(int v) { return bitfieldExtract(v, 0, 16); }
ivec4 as_int16(ivec4 v) { return bitfieldExtract(v, 0, 16); }
uint as_uint8(uint v) { return v & 255u; }
uvec4 as_uint8(uvec4 v) { return v & 255u; }
uint as_uint16(uint v) { return v & 65535u; }
uvec4 as_uint16(uvec4 v) { return v & 65535u; }

// Rows that lie further apart than they are long: kernels get these as AT_X (choose).
int pitched(int i, float inverse, int gap) { return i + int((float(i) + 0.5) * inverse) * gap; }
int pitched_or_none(int i, float inverse, int gap) { // -2^28 is nowhere and stays there
    return i < 0 ? i : pitched(i, inverse, gap);
}

//: param int
#define p_@X w_[@V].@C
//: param float
#define p_@X intBitsToFloat(w_[@V].@C)
//: param ints
#define p_@X(i) params_[(@V + (i)) >> 2][(@V + (i)) & 3]
//: param floats
#define p_@X(i) intBitsToFloat(params_[(@V + (i)) >> 2][(@V + (i)) & 3])

// Behind the template. llvmpipe reads a uniform in a loop, or under a mask, lane by lane (60
// instructions a word): all are read here, once.
//: main
#if READ_IMAGE
#undef main
void main() {
    w_ = params_;
    kernel_main();
}
#endif

//: operand
#ifndef AT_@X
#define AT_@X(i) (i)
#endif

//: types F32 vec4
#define T_@X vec4
#define S_@X float
#define UNIT_@X 4
//: types F32 element
#define T_@X float
#define S_@X float
#define UNIT_@X 1
//: types F16X2 vec4
#define T_@X vec4
#define S_@X float
#define UNIT_@X 4
//: types F16X2 element
#define T_@X float
#define S_@X float
#define UNIT_@X 2
//: types I32 vec4
#define T_@X ivec4
#define S_@X int
#define UNIT_@X 4
//: types I32 element
#define T_@X int
#define S_@X int
#define UNIT_@X 1
//: types U32 vec4
#define T_@X uvec4
#define S_@X uint
#define UNIT_@X 4
//: types U32 element
#define T_@X uint
#define S_@X uint
#define UNIT_@X 1
//: types I64X2 element
#define T_@X uvec2
#define S_@X uvec2
#define UNIT_@X 1

//: memory F32 vec4
#define E_@X vec4
//: memory F32 element
#define E_@X float
//: memory F16X2 vec4
#define E_@X uvec2
//: memory F16X2 element
#define E_@X uint
//: memory I32 vec4
#define E_@X ivec4
//: memory I32 element
#define E_@X int
//: memory U32 vec4
#define E_@X uvec4
//: memory U32 element
#define E_@X uint
//: memory I64X2 element
#define E_@X uvec2

//: block read
layout(std430, binding = @B) readonly buffer Buffer_@X { E_@X d_@X[]; };
#define GET_@X(i) d_@X[i]
//: block write
layout(std430, binding = @B) writeonly buffer Buffer_@X { E_@X d_@X[]; };
#define PUT_@X(i, v) d_@X[i] = (v)
//: block readwrite
layout(std430, binding = @B) buffer Buffer_@X { E_@X d_@X[]; };
#define GET_@X(i) d_@X[i]
#define PUT_@X(i, v) d_@X[i] = (v)

// An operand of several bindings: @K is the segment's number, @J the one before, @S the
// elements of a segment; the last one's functions are LOAD's and STORE's.
//: segment 0 read
layout(std430, binding = @B) readonly buffer Buffer_@X_0 { E_@X d_@X_0[]; };
E_@X get_@X_0(int i) { return d_@X_0[i]; }
//: segment 0 write
layout(std430, binding = @B) writeonly buffer Buffer_@X_0 { E_@X d_@X_0[]; };
void put_@X_0(int i, E_@X v) { d_@X_0[i] = v; }
//: segment 0 readwrite
layout(std430, binding = @B) buffer Buffer_@X_0 { E_@X d_@X_0[]; };
E_@X get_@X_0(int i) { return d_@X_0[i]; }
void put_@X_0(int i, E_@X v) { d_@X_0[i] = v; }
//: segment read
layout(std430, binding = @B) readonly buffer Buffer_@X_@K { E_@X d_@X_@K[]; };
E_@X get_@X_@K(int i) {
    if (i < @K * @S)
        return get_@X_@J(i);
    return d_@X_@K[i - @K * @S];
}
//: segment write
layout(std430, binding = @B) writeonly buffer Buffer_@X_@K { E_@X d_@X_@K[]; };
void put_@X_@K(int i, E_@X v) {
    if (i < @K * @S)
        put_@X_@J(i, v);
    else
        d_@X_@K[i - @K * @S] = v;
}
//: segment readwrite
layout(std430, binding = @B) buffer Buffer_@X_@K { E_@X d_@X_@K[]; };
E_@X get_@X_@K(int i) {
    if (i < @K * @S)
        return get_@X_@J(i);
    return d_@X_@K[i - @K * @S];
}
void put_@X_@K(int i, E_@X v) {
    if (i < @K * @S)
        put_@X_@J(i, v);
    else
        d_@X_@K[i - @K * @S] = v;
}
//: last segment
#define GET_@X(i) get_@X_@K(i)
#define PUT_@X(i, v) put_@X_@K(i, v)

//: read ssbo F32 vec4
vec4 LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
vec4 LOADZ_@X(bool ok, int i) { return ok ? GET_@X(@O + AT_@X(i)) : vec4(0.0); }
//: read ssbo F32 element
float LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
float LOADZ_@X(bool ok, int i) { return ok ? GET_@X(@O + AT_@X(i)) : 0.0; }
//: read ssbo F16X2 vec4
vec4 LOAD_@X(int at) {
    int i = AT_@X(at);
    uvec2 u = GET_@X(@O + i);
    return vec4(unpackHalf2x16(u.x), unpackHalf2x16(u.y));
}
vec4 LOADZ_@X(bool ok, int i) { return ok ? LOAD_@X(i) : vec4(0.0); }
//: read ssbo F16X2 element
float LOAD_@X(int at) {
    int i = AT_@X(at);
    vec2 v = unpackHalf2x16(GET_@X((@O + i) >> 1));
    return (i & 1) == 0 ? v.x : v.y;
}
float LOADZ_@X(bool ok, int i) { return ok ? LOAD_@X(i) : 0.0; }
//: read ssbo I32 vec4
ivec4 LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
ivec4 LOADZ_@X(bool ok, int i) { return ok ? GET_@X(@O + AT_@X(i)) : ivec4(0); }
//: read ssbo I32 element
int LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
int LOADZ_@X(bool ok, int i) { return ok ? GET_@X(@O + AT_@X(i)) : 0; }
//: read ssbo U32 vec4
uvec4 LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
uvec4 LOADZ_@X(bool ok, int i) { return ok ? GET_@X(@O + AT_@X(i)) : uvec4(0u); }
//: read ssbo U32 element
uint LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
uint LOADZ_@X(bool ok, int i) { return ok ? GET_@X(@O + AT_@X(i)) : 0u; }
//: read ssbo I64X2 element
uvec2 LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
uvec2 LOADZ_@X(bool ok, int i) { return ok ? GET_@X(@O + AT_@X(i)) : uvec2(0u); }

//: read image F32 vec4
layout(rgba32f, binding = @B) readonly uniform highp imageBuffer d_@X;
vec4 LOAD_@X(int i) { return imageLoad(d_@X, @O + AT_@X(i)); }
vec4 LOADZ_@X(bool ok, int i) { return imageLoad(d_@X, ok ? @O + AT_@X(i) : -1); }
//: read image F32 element
layout(r32f, binding = @B) readonly uniform highp imageBuffer d_@X;
float LOAD_@X(int i) { return imageLoad(d_@X, @O + AT_@X(i)).x; }
float LOADZ_@X(bool ok, int i) { return imageLoad(d_@X, ok ? @O + AT_@X(i) : -1).x; }
//: read image F16X2 vec4
layout(rgba32ui, binding = @B) readonly uniform highp uimageBuffer d_@X;
vec4 LOAD_@X(int at) {
    int i = AT_@X(at);
    uvec4 u = imageLoad(d_@X, (@O + i) >> 1);
    u.xy = (i & 1) == 0 ? u.xy : u.zw;
    return vec4(unpackHalf2x16(u.x), unpackHalf2x16(u.y));
}
vec4 LOADZ_@X(bool ok, int at) {
    int i = @O + AT_@X(at);
    uvec4 u = imageLoad(d_@X, ok ? i >> 1 : -1);
    u.xy = (i & 1) == 0 ? u.xy : u.zw;
    return vec4(unpackHalf2x16(u.x), unpackHalf2x16(u.y));
}
//: read image F16X2 element
layout(r32ui, binding = @B) readonly uniform highp uimageBuffer d_@X;
float LOAD_@X(int at) {
    int i = AT_@X(at);
    vec2 v = unpackHalf2x16(imageLoad(d_@X, (@O + i) >> 1).x);
    return (i & 1) == 0 ? v.x : v.y;
}
float LOADZ_@X(bool ok, int at) {
    int i = AT_@X(at);
    vec2 v = unpackHalf2x16(imageLoad(d_@X, ok ? (@O + i) >> 1 : -1).x);
    return (i & 1) == 0 ? v.x : v.y;
}
//: read image I32 vec4
layout(rgba32i, binding = @B) readonly uniform highp iimageBuffer d_@X;
ivec4 LOAD_@X(int i) { return imageLoad(d_@X, @O + AT_@X(i)); }
ivec4 LOADZ_@X(bool ok, int i) { return imageLoad(d_@X, ok ? @O + AT_@X(i) : -1); }
//: read image I32 element
layout(r32i, binding = @B) readonly uniform highp iimageBuffer d_@X;
int LOAD_@X(int i) { return imageLoad(d_@X, @O + AT_@X(i)).x; }
int LOADZ_@X(bool ok, int i) { return imageLoad(d_@X, ok ? @O + AT_@X(i) : -1).x; }
//: read image U32 vec4
layout(rgba32ui, binding = @B) readonly uniform highp uimageBuffer d_@X;
uvec4 LOAD_@X(int i) { return imageLoad(d_@X, @O + AT_@X(i)); }
uvec4 LOADZ_@X(bool ok, int i) { return imageLoad(d_@X, ok ? @O + AT_@X(i) : -1); }
//: read image U32 element
layout(r32ui, binding = @B) readonly uniform highp uimageBuffer d_@X;
uint LOAD_@X(int i) { return imageLoad(d_@X, @O + AT_@X(i)).x; }
uint LOADZ_@X(bool ok, int i) { return imageLoad(d_@X, ok ? @O + AT_@X(i) : -1).x; }
//: read image I64X2 element
layout(rgba32ui, binding = @B) readonly uniform highp uimageBuffer d_@X;
uvec2 LOAD_@X(int at) { // half a texel: the base counts for which
    int i = @O + AT_@X(at);
    uvec4 u = imageLoad(d_@X, i >> 1);
    return (i & 1) == 0 ? u.xy : u.zw;
}
uvec2 LOADZ_@X(bool ok, int at) {
    int i = @O + AT_@X(at);
    uvec4 u = imageLoad(d_@X, ok ? i >> 1 : -1);
    return (i & 1) == 0 ? u.xy : u.zw;
}

//: write F32 vec4
void STORE_@X(int i, vec4 v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: write F32 element
void STORE_@X(int i, float v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: write F32 loose
void STORE_@X(int at, vec4 vec) {
    int i = at * 4;
    vec4 v = @N(vec);
    if (i < p_end_@X) PUT_@X(@O + AT_@X(i), v.x);
    if (i + 1 < p_end_@X) PUT_@X(@O + AT_@X(i + 1), v.y);
    if (i + 2 < p_end_@X) PUT_@X(@O + AT_@X(i + 2), v.z);
    if (i + 3 < p_end_@X) PUT_@X(@O + AT_@X(i + 3), v.w);
}
//: write F16X2 vec4
void STORE_@X(int i, vec4 v) {
    PUT_@X(@O + AT_@X(i), uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw)));
}
//: write F16X2 element
void STORE2_@X(int i, vec2 v) { PUT_@X((@O >> 1) + AT_@X(i), packHalf2x16(v)); }
//: write I32 vec4
void STORE_@X(int i, ivec4 v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: write I32 element
void STORE_@X(int i, int v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: write I32 loose
void STORE_@X(int at, ivec4 vec) {
    int i = at * 4;
    ivec4 v = @N(vec);
    if (i < p_end_@X) PUT_@X(@O + AT_@X(i), v.x);
    if (i + 1 < p_end_@X) PUT_@X(@O + AT_@X(i + 1), v.y);
    if (i + 2 < p_end_@X) PUT_@X(@O + AT_@X(i + 2), v.z);
    if (i + 3 < p_end_@X) PUT_@X(@O + AT_@X(i + 3), v.w);
}
//: write U32 vec4
void STORE_@X(int i, uvec4 v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: write U32 element
void STORE_@X(int i, uint v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: write U32 loose
void STORE_@X(int at, uvec4 vec) {
    int i = at * 4;
    uvec4 v = @N(vec);
    if (i < p_end_@X) PUT_@X(@O + AT_@X(i), v.x);
    if (i + 1 < p_end_@X) PUT_@X(@O + AT_@X(i + 1), v.y);
    if (i + 2 < p_end_@X) PUT_@X(@O + AT_@X(i + 2), v.z);
    if (i + 3 < p_end_@X) PUT_@X(@O + AT_@X(i + 3), v.w);
}
//: write I64X2 element
void STORE_@X(int i, uvec2 v) { PUT_@X(@O + AT_@X(i), v); }

//: readwrite F32 vec4
vec4 LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
void STORE_@X(int i, vec4 v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: readwrite F32 element
float LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
void STORE_@X(int i, float v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: readwrite F16X2 vec4
vec4 LOAD_@X(int i) {
    uvec2 u = GET_@X(@O + AT_@X(i));
    return vec4(unpackHalf2x16(u.x), unpackHalf2x16(u.y));
}
void STORE_@X(int i, vec4 v) {
    PUT_@X(@O + AT_@X(i), uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw)));
}
//: readwrite F16X2 element
float LOAD_@X(int at) {
    int i = AT_@X(at);
    vec2 v = unpackHalf2x16(GET_@X((@O + i) >> 1));
    return (i & 1) == 0 ? v.x : v.y;
}
void STORE2_@X(int i, vec2 v) { PUT_@X((@O >> 1) + AT_@X(i), packHalf2x16(v)); }
//: readwrite I32 element
int LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
void STORE_@X(int i, int v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: readwrite U32 element
uint LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
void STORE_@X(int i, uint v) { PUT_@X(@O + AT_@X(i), @N(v)); }
//: readwrite I64X2 element
uvec2 LOAD_@X(int i) { return GET_@X(@O + AT_@X(i)); }
void STORE_@X(int i, uvec2 v) { PUT_@X(@O + AT_@X(i), v); }
