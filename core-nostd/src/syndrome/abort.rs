//! Syndromes of aborts: memory accesses that failed, and errors that came later.

use core::fmt;

use super::bits::{bit, field};
use super::fault_status::FaultStatus;
use crate::registers::Esr;

/// An instruction abort (DDI 0487, "ISS encoding for an exception from an Instruction Abort").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct InstructionAbort {
    /// SET, bits \[12:11\]: the state of the core after an external abort.
    pub set: SynchronousErrorType,
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    pub far_not_valid: bool,
    /// EA, bit \[9\]: external abort type.
    pub external: bool,
    /// S1PTW, bit \[7\]: a stage 2 fault of a stage 1 walk.
    pub stage_1_walk: bool,
    /// IFSC, bits \[5:0\].
    pub status: FaultStatus,
}

impl InstructionAbort {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            set: SynchronousErrorType::from_bits(field(iss, 11, 2)),
            far_not_valid: bit(iss, 10),
            external: bit(iss, 9),
            stage_1_walk: bit(iss, 7),
            status: FaultStatus::from_bits(field(iss, 0, 6)),
        }
    }
}

impl fmt::Display for InstructionAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", {}", self.status)?;
        write_notes(f, self.status, self.set, self.stage_1_walk, self.far_not_valid)
    }
}

/// What both aborts may have to add.
fn write_notes(
    f: &mut fmt::Formatter<'_>,
    status: FaultStatus,
    set: SynchronousErrorType,
    stage_1_walk: bool,
    far_not_valid: bool,
) -> fmt::Result {
    if matches!(status, FaultStatus::External) {
        write!(f, ", {set}")?;
    }
    if stage_1_walk {
        f.write_str(", stage 2 of a stage 1 walk")?;
    }
    if far_not_valid {
        f.write_str(", address not valid")?;
    }
    Ok(())
}

/// SET: the state of the core after a synchronous external abort.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SynchronousErrorType {
    /// 0b00: recoverable (UER), or not said.
    Recoverable,
    /// 0b01: reserved.
    Reserved,
    /// 0b10: uncontainable (UC).
    Uncontainable,
    /// 0b11: restartable (UEO).
    Restartable,
}

impl SynchronousErrorType {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Recoverable,
            0b01 => Self::Reserved,
            0b10 => Self::Uncontainable,
            _ => Self::Restartable,
        }
    }
}

impl fmt::Display for SynchronousErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recoverable => "recoverable",
            Self::Reserved => "reserved error type",
            Self::Uncontainable => "uncontainable",
            Self::Restartable => "restartable",
        })
    }
}

/// A data abort (DDI 0487, "ISS encoding for an exception from a Data Abort"); the fields from ISS2 are
/// those of bits \[55:32\].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DataAbort {
    /// What ISV, bit \[24\], makes valid: the load or store in a form that can be emulated.
    pub access: Option<AccessSyndrome>,
    /// VNCR, bit \[13\]: the access was made by way of `VNCR_EL2`.
    pub vncr: bool,
    /// SET, bits \[12:11\]: the state of the core after an external abort. For a 64-byte access they
    /// are LST, which instruction it was.
    pub set: SynchronousErrorType,
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    pub far_not_valid: bool,
    /// EA, bit \[9\]: external abort type.
    pub external: bool,
    /// CM, bit \[8\]: a cache maintenance or address translation instruction.
    pub cache_maintenance: bool,
    /// S1PTW, bit \[7\]: a stage 2 fault of a stage 1 walk.
    pub stage_1_walk: bool,
    /// WnR, bit \[6\]: a write.
    pub write: bool,
    /// DFSC, bits \[5:0\].
    pub status: FaultStatus,
    /// HDBSSF, ISS2 bit \[11\]: the hardware dirty state structure had no room.
    pub dirty_structure: bool,
    /// TnD, ISS2 bit \[10\]: the allocation tag faulted, not the data.
    pub tag_not_data: bool,
    /// TagAccess, ISS2 bit \[9\]: an instruction that accesses tags.
    pub tag_access: bool,
    /// GCS, ISS2 bit \[8\]: an access to the guarded control stack.
    pub guarded_control_stack: bool,
    /// AssuredOnly, ISS2 bit \[7\]: stage 2 requires assured translation.
    pub assured_only: bool,
    /// Overlay, ISS2 bit \[6\]: a permission overlay forbids it.
    pub overlay: bool,
    /// DirtyBit, ISS2 bit \[5\]: dirty state forbids it.
    pub dirty_bit: bool,
    /// Xs, ISS2 bits \[4:0\]: the register that holds the status of a 64-byte store.
    pub status_register: u8,
}

/// A load or store of one general-purpose register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AccessSyndrome {
    /// SAS, bits \[23:22\], as a size in bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// SSE, bit \[21\]: the value is sign-extended.
    pub sign_extend: bool,
    /// SRT, bits \[20:16\]: the register, 31 for the zero register.
    pub register: u8,
    /// SF, bit \[15\]: the register is 64 bits wide.
    pub sixty_four: bool,
    /// AR, bit \[14\]: acquire or release semantics.
    pub acquire_release: bool,
}

impl DataAbort {
    pub(super) const fn decode(esr: Esr) -> Self {
        let (iss, iss2) = (esr.iss(), esr.iss2());
        let access = AccessSyndrome {
            size: 1 << field(iss, 22, 2),
            sign_extend: bit(iss, 21),
            register: field(iss, 16, 5),
            sixty_four: bit(iss, 15),
            acquire_release: bit(iss, 14),
        };
        Self {
            access: if bit(iss, 24) { Some(access) } else { None },
            vncr: bit(iss, 13),
            set: SynchronousErrorType::from_bits(field(iss, 11, 2)),
            far_not_valid: bit(iss, 10),
            external: bit(iss, 9),
            cache_maintenance: bit(iss, 8),
            stage_1_walk: bit(iss, 7),
            write: bit(iss, 6),
            status: FaultStatus::from_bits(field(iss, 0, 6)),
            dirty_structure: bit(iss2, 11),
            tag_not_data: bit(iss2, 10),
            tag_access: bit(iss2, 9),
            guarded_control_stack: bit(iss2, 8),
            assured_only: bit(iss2, 7),
            overlay: bit(iss2, 6),
            dirty_bit: bit(iss2, 5),
            status_register: field(iss2, 0, 5),
        }
    }
}

impl fmt::Display for DataAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.cache_maintenance, self.write) {
            (true, _) => " on cache maintenance",
            (false, true) => " on a write",
            (false, false) => " on a read",
        })?;
        if let Some(access) = self.access {
            let bytes = if access.size == 1 { "byte" } else { "bytes" };
            let way = if self.write { "from" } else { "to" };
            let width = if access.sixty_four { 'X' } else { 'W' };
            write!(f, " of {} {bytes} {way} ", access.size)?;
            match access.register {
                31 => write!(f, "{width}ZR")?,
                register => write!(f, "{width}{register}")?,
            }
        }
        write!(f, ", {}", self.status)?;
        for (said, words) in [
            (self.vncr, ", through VNCR_EL2"),
            (self.dirty_structure, ", dirty state structure full"),
            (self.tag_not_data, ", on the allocation tag"),
            (self.tag_access, ", by a tag instruction"),
            (self.guarded_control_stack, ", on the guarded control stack"),
            (self.assured_only, ", not an assured translation"),
            (self.overlay, ", by a permission overlay"),
            (self.dirty_bit, ", by dirty state"),
        ] {
            if said {
                f.write_str(words)?;
            }
        }
        write_notes(f, self.status, self.set, self.stage_1_walk, self.far_not_valid)
    }
}

/// A granule protection check (DDI 0487, "ISS encoding for a Granule Protection Check exception").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct GranuleProtection {
    /// S2PTW, bit \[21\]: on a stage 2 walk.
    pub stage_2_walk: bool,
    /// InD, bit \[20\]: an instruction fetch.
    pub instruction: bool,
    /// GPCSC, bits \[19:14\]: what the check itself met.
    pub check_status: u8,
    /// VNCR, bit \[13\]: the access was made by way of `VNCR_EL2`.
    pub vncr: bool,
    /// CM, bit \[8\]: a cache maintenance or address translation instruction.
    pub cache_maintenance: bool,
    /// S1PTW, bit \[7\]: on a stage 1 walk.
    pub stage_1_walk: bool,
    /// WnR, bit \[6\]: a write.
    pub write: bool,
    /// xFSC, bits \[5:0\].
    pub status: FaultStatus,
}

impl GranuleProtection {
    pub(super) const fn decode(iss: u32) -> Self {
        Self {
            stage_2_walk: bit(iss, 21),
            instruction: bit(iss, 20),
            check_status: field(iss, 14, 6),
            vncr: bit(iss, 13),
            cache_maintenance: bit(iss, 8),
            stage_1_walk: bit(iss, 7),
            write: bit(iss, 6),
            status: FaultStatus::from_bits(field(iss, 0, 6)),
        }
    }
}

impl fmt::Display for GranuleProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.instruction, self.cache_maintenance, self.write) {
            (true, ..) => " on a fetch",
            (false, true, _) => " on cache maintenance",
            (false, false, true) => " on a write",
            (false, false, false) => " on a read",
        })?;
        write!(f, ", {}, check status {:#04x}", self.status, self.check_status)
    }
}

/// An `SError` (DDI 0487, "ISS encoding for an SError exception").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SystemError {
    /// IDS, bit \[24\], is set: the rest, bits \[23:0\], is the implementation's own.
    ImplementationDefined(u32),
    /// DFSC, bits \[5:0\], is 0b000000: nothing more is known.
    Uncategorized,
    /// DFSC is 0b010001: an asynchronous error.
    Asynchronous {
        /// IESB, bit \[13\]: an implicit error synchronization event took it.
        implicitly_synchronized: bool,
        /// AET, bits \[12:10\].
        kind: AsynchronousErrorType,
        /// EA, bit \[9\]: external abort type.
        external: bool,
    },
    /// Another DFSC, bits \[5:0\].
    Reserved(u8),
}

impl SystemError {
    pub(super) const fn decode(iss: u32) -> Self {
        if bit(iss, 24) {
            return Self::ImplementationDefined(iss & 0xff_ffff);
        }
        match field(iss, 0, 6) {
            0 => Self::Uncategorized,
            0b01_0001 => Self::Asynchronous {
                implicitly_synchronized: bit(iss, 13),
                kind: AsynchronousErrorType::from_bits(field(iss, 10, 3)),
                external: bit(iss, 9),
            },
            reserved => Self::Reserved(reserved),
        }
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImplementationDefined(iss) => write!(f, ", implementation defined {iss:#x}"),
            Self::Uncategorized => f.write_str(", uncategorized"),
            Self::Asynchronous { kind, .. } => write!(f, ", {kind}"),
            Self::Reserved(status) => write!(f, ", reserved status {status:#04x}"),
        }
    }
}

/// AET: the state of the core after an asynchronous error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AsynchronousErrorType {
    /// 0b000: uncontainable (UC).
    Uncontainable,
    /// 0b001: unrecoverable (UEU).
    Unrecoverable,
    /// 0b010: restartable (UEO).
    Restartable,
    /// 0b011: recoverable (UER).
    Recoverable,
    /// 0b110: corrected (CE).
    Corrected,
    /// An encoding without a meaning, bits \[2:0\].
    Reserved(u8),
}

impl AsynchronousErrorType {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0b111 {
            0b000 => Self::Uncontainable,
            0b001 => Self::Unrecoverable,
            0b010 => Self::Restartable,
            0b011 => Self::Recoverable,
            0b110 => Self::Corrected,
            reserved => Self::Reserved(reserved),
        }
    }
}

impl fmt::Display for AsynchronousErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uncontainable => f.write_str("uncontainable"),
            Self::Unrecoverable => f.write_str("unrecoverable"),
            Self::Restartable => f.write_str("restartable"),
            Self::Recoverable => f.write_str("recoverable"),
            Self::Corrected => f.write_str("corrected"),
            Self::Reserved(bits) => write!(f, "reserved error type {bits:#05b}"),
        }
    }
}
