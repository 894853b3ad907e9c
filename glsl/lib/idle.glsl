// A whole program that does nothing: what is left of a dispatch is the driver's own time.
// No inputs, no outputs, no prelude.
layout(local_size_x = 8) in;
void main() {
}
