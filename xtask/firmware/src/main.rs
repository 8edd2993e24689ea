//! firmware
fn main() {}
