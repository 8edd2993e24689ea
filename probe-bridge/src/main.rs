//! trapline
fn main() {}
