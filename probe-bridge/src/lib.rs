//! What the `trapline` tool is made of, for other programs.

#[cfg(feature = "probe")]
pub mod board;
#[cfg(feature = "points")]
pub mod expression;
#[cfg(feature = "symbols")]
pub mod linux;
#[cfg(any(feature = "kvm", feature = "probe"))]
pub mod session;
