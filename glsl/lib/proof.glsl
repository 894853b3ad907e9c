// A whole program that writes known words: proves whose memory it reaches, and when.
// No inputs, no prelude; output: eight words.
layout(local_size_x = 8) in;
layout(std430, binding = 0) writeonly buffer Words {
    highp uint words[];
};
void main() {
    words[gl_LocalInvocationID.x] = gl_LocalInvocationID.x * 0x9E3779B9u + 1u;
}
