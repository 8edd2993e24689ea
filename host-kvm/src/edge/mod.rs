//! The border to the parts of KVM's interface that exist on arm64 only.
//!
//! Everything else in this crate compiles on any Linux host; the two files behind this one have the
//! same functions, and those of `elsewhere` answer [`Error::UnsupportedHost`].
//!
//! [`Error::UnsupportedHost`]: crate::Error::UnsupportedHost

#[cfg(target_arch = "aarch64")]
mod arm64;
#[cfg(target_arch = "aarch64")]
pub(crate) use arm64::*;

#[cfg(not(target_arch = "aarch64"))]
mod elsewhere;
#[cfg(not(target_arch = "aarch64"))]
pub(crate) use elsewhere::*;

/// What to do with an attribute of a vCPU.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attribute {
    /// `KVM_HAS_DEVICE_ATTR`.
    Has,
    /// `KVM_SET_DEVICE_ATTR`.
    Set,
}
