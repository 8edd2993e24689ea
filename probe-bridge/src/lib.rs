//! What the `trapline` tool is made of, for other programs.

#[cfg(feature = "symbols")]
pub mod linux;
