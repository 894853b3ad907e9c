// How fast memory is: Y = X. X, Y: vec4, 4 an invocation, a group apart.
// Groups: x: LOCAL_SIZE * 4 vec4s.

void main() {
    int first = GROUP.x * (LOCAL_SIZE * 4) + LOCAL;
    for (int j = 0; j < 4; j++)
        STORE_Y(first + j * LOCAL_SIZE, LOAD_X(first + j * LOCAL_SIZE));
}
