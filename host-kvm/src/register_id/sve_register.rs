//! KVM's SVE group (KVM API, section 4.68, "arm64 SVE registers").

use super::RegisterSize;

/// A register of KVM's SVE group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SveRegister {
    /// 256 bytes from byte `256 * slice` of `Z<number>` on.
    Z {
        /// 0 to 31.
        number: u8,
        /// 0 for every vector length that exists.
        slice: u8,
    },
    /// 32 bytes from byte `32 * slice` of `P<number>` on.
    P {
        /// 0 to 15.
        number: u8,
        /// 0 for every vector length that exists.
        slice: u8,
    },
    /// 32 bytes from byte `32 * slice` of `FFR` on.
    Ffr {
        /// 0 for every vector length that exists.
        slice: u8,
    },
    /// The set of vector lengths, `KVM_REG_ARM64_SVE_VLS`: bit *n* for *n* + 1 quadwords. It can be
    /// written until the vCPU is finalised.
    VectorLengths,
}

const SVE_P: u16 = 0x400;
const SVE_FFR: u16 = 0x600;
const SVE_VECTOR_LENGTHS: u16 = 0xffff;

impl SveRegister {
    pub(super) const fn low(self) -> u16 {
        match self {
            Self::Z { number, slice } => ((number as u16 & 0x1f) << 5) | (slice as u16 & 0x1f),
            Self::P { number, slice } => SVE_P | ((number as u16 & 0xf) << 5) | (slice as u16 & 0x1f),
            Self::Ffr { slice } => SVE_FFR | (slice as u16 & 0x1f),
            Self::VectorLengths => SVE_VECTOR_LENGTHS,
        }
    }

    pub(super) const fn size(self) -> RegisterSize {
        match self {
            Self::Z { .. } => RegisterSize::U2048,
            Self::P { .. } | Self::Ffr { .. } => RegisterSize::U256,
            Self::VectorLengths => RegisterSize::U512,
        }
    }

    pub(super) const fn from_low(low: u16) -> Option<Self> {
        let (number, slice) = ((low >> 5 & 0x1f) as u8, (low & 0x1f) as u8);
        Some(match low {
            0..SVE_P => Self::Z { number, slice },
            SVE_P..SVE_FFR => Self::P { number: number & 0xf, slice },
            _ if low & !0x1f == SVE_FFR => Self::Ffr { slice },
            SVE_VECTOR_LENGTHS => Self::VectorLengths,
            _ => return None,
        })
    }
}
