//! What the `trapline` tool is made of, for other programs.

#[cfg(feature = "probe")]
pub mod board;
#[cfg(feature = "points")]
pub mod expression;
pub mod file;
#[cfg(feature = "symbols")]
pub mod linux;
#[cfg(feature = "points")]
pub mod places;
#[cfg(any(feature = "kvm", feature = "probe"))]
pub mod session;
