//! What a BRK of the firmware's own must look like to its handler.

/// The immediate of the firmware's own BRK.
pub(crate) const COMMENT: u64 = 0x7a9;

/// What there is to say of one BRK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Verdict {
    /// No BRK was executed yet.
    NotYet,
    /// Everything as the hardware gives it.
    AsHardware,
    /// No exception came.
    NotTaken,
    /// ESR_EL1 is not that of this BRK.
    WrongSyndrome,
    /// ELR_EL1 is not the address of the BRK.
    WrongAddress,
    /// SPSR_EL1 is not the state that executed the BRK.
    WrongState,
    /// The flags did not survive the way there and back.
    FlagsLost,
}

impl Verdict {
    /// For the serial line.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotYet => "not executed yet",
            Self::AsHardware => "as hardware gives it",
            Self::NotTaken => "no exception came",
            Self::WrongSyndrome => "wrong ESR_EL1",
            Self::WrongAddress => "wrong ELR_EL1",
            Self::WrongState => "wrong SPSR_EL1",
            Self::FlagsLost => "flags lost",
        }
    }
}

/// The exception registers, as the handler found them or as they ought to be.
#[derive(Clone, Copy)]
pub(crate) struct Exception {
    /// ESR_EL1.
    pub(crate) esr: u64,
    /// ELR_EL1.
    pub(crate) elr: u64,
    /// SPSR_EL1.
    pub(crate) spsr: u64,
}

/// SPSR_EL1 as far as the firmware knows what it must be: N, Z, C, V, SS, IL, D, A, I, F and `M[4:0]`.
const KNOWN_STATE: u64 = 0xf030_03df;

/// Compares what came with what had to come (DDI 0487, "Exception entry", "ISS encoding for an exception
/// from execution of a Breakpoint instruction").
pub(crate) fn judge(seen: Exception, expected: Exception) -> Verdict {
    if seen.esr != expected.esr {
        Verdict::WrongSyndrome
    } else if seen.elr != expected.elr {
        Verdict::WrongAddress
    } else if seen.spsr & KNOWN_STATE != expected.spsr & KNOWN_STATE {
        Verdict::WrongState
    } else {
        Verdict::AsHardware
    }
}

/// ESR_EL1 of the firmware's BRK: EC 0x3c, IL 1, the immediate.
pub(crate) const SYNDROME: u64 = 0x3c << 26 | 1 << 25 | COMMENT;

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: Exception = Exception { esr: 0xf200_07a9, elr: 0x4000_1000, spsr: 0xa000_0005 };

    #[test]
    fn each_register_is_judged() {
        assert_eq!(SYNDROME, RIGHT.esr);
        assert_eq!(judge(RIGHT, RIGHT), Verdict::AsHardware);
        assert_eq!(judge(Exception { esr: 0xf200_0000, ..RIGHT }, RIGHT), Verdict::WrongSyndrome);
        assert_eq!(judge(Exception { elr: 0x4000_1004, ..RIGHT }, RIGHT), Verdict::WrongAddress);
        for bit in [0, 2, 4, 6, 7, 8, 9, 20, 21, 28, 29, 30, 31] {
            let spsr = RIGHT.spsr ^ 1 << bit;
            assert_eq!(judge(Exception { spsr, ..RIGHT }, RIGHT), Verdict::WrongState, "bit {bit}");
        }
    }

    #[test]
    fn bits_that_only_the_hardware_knows_are_not_judged() {
        // SSBS, PAN, UAO, DIT and TCO depend on the core.
        for bit in [12, 22, 23, 24, 25] {
            let spsr = RIGHT.spsr ^ 1 << bit;
            assert_eq!(judge(Exception { spsr, ..RIGHT }, RIGHT), Verdict::AsHardware, "bit {bit}");
        }
    }
}
