//! defib
fn main() {}
