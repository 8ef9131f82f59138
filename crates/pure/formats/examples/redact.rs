//! Takes the secrets out of a file and tells how long it took: `cargo run --release --example redact FILE`.
//!
//! Deliberately absent: printing of the text.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement reads a file and the clock"
)]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    let bytes = std::fs::read(path)?;
    let size = bytes.len();
    let start = std::time::Instant::now();
    let (_, taken) = defib_formats::redact::redact_vec(bytes);
    let time = start.elapsed().as_secs_f64();
    println!(
        "{:.1} MB in {time:.3} s, {:.0} MB/s: {taken:?}",
        size as f64 / 1e6,
        size as f64 / 1e6 / time
    );
    Ok(())
}
