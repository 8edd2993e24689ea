//! Why an instruction did not complete.

/// What ends an instruction early. Nothing that it would have changed has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// An exception to EL1.
    Exception(Exception),
    /// A watchpoint matched; the core enters Debug state.
    Watchpoint {
        /// The data address of the access.
        address: u64,
    },
    /// `HLT`, with halting debug on.
    Halt,
    /// `HVC` or `SMC`: the firmware of the board is asked for something.
    Call,
    /// `WFI`: nothing is done until an interrupt comes.
    Wait,
}

/// An exception as `ESR_EL1` tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exception {
    /// The exception class.
    pub class: u32,
    /// The instruction specific syndrome.
    pub syndrome: u32,
    /// The address for `FAR_EL1`.
    pub address: Option<u64>,
    /// Whether the exception returns to the next instruction: `SVC`.
    pub after: bool,
}

impl Trap {
    /// An instruction that does not exist, or not here.
    pub const UNDEFINED: Self =
        Self::Exception(Exception { class: 0, syndrome: 0, address: None, after: false });

    /// Exception classes (DDI 0487, "ESR_EL1", EC), those from the same exception level.
    pub const SVC: u32 = 0x15;
    /// FP or SIMD while `CPACR_EL1` does not allow it.
    pub const FP_DISABLED: u32 = 0x07;
    /// Instruction abort; from a lower level one less.
    pub const INSTRUCTION_ABORT: u32 = 0x21;
    /// PC alignment.
    pub const PC_ALIGNMENT: u32 = 0x22;
    /// Data abort; from a lower level one less.
    pub const DATA_ABORT: u32 = 0x25;
    /// `BRK`.
    pub const BRK: u32 = 0x3c;

    /// An exception that has no address.
    #[must_use]
    pub const fn exception(class: u32, syndrome: u32) -> Self {
        Self::Exception(Exception { class, syndrome, address: None, after: false })
    }

    /// An abort: of a data access, or of an instruction fetch. `status` is DFSC or IFSC.
    #[must_use]
    pub const fn abort(fetch: bool, write: bool, status: u32, address: u64, el: u8) -> Self {
        let class = if fetch { Self::INSTRUCTION_ABORT } else { Self::DATA_ABORT };
        Self::Exception(Exception {
            class: class - (el == 0) as u32,
            syndrome: status | (write as u32) << 6,
            address: Some(address),
            after: false,
        })
    }
}
