//! Syndromes of aborts: memory accesses that failed, and errors that came later.

use core::fmt;

use bitfield_struct::bitfield;

use super::fault_status::FaultStatus;
use super::words::{access, word, write_register, write_set};

/// An instruction abort (DDI 0487, "ISS encoding for an exception from an Instruction Abort").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct InstructionAbort {
    /// IFSC, bits \[5:0\]: why.
    #[bits(6, access = RO)]
    pub ifsc: FaultStatus,
    __: bool,
    /// S1PTW, bit \[7\]: a stage 2 fault of a stage 1 walk.
    #[bits(1, access = RO)]
    pub s1ptw: bool,
    __: bool,
    /// EA, bit \[9\]: external abort type.
    #[bits(1, access = RO)]
    pub ea: bool,
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    #[bits(1, access = RO)]
    pub fnv: bool,
    /// SET, bits \[12:11\]: the state of the core after an external abort.
    #[bits(2, access = RO)]
    pub set: SynchronousErrorType,
    #[bits(19)]
    __: u32,
}

impl fmt::Display for InstructionAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_status(f, self.ifsc(), self.set(), u64::from(self.into_bits()))
    }
}

/// What both aborts have at the end.
fn write_status(
    f: &mut fmt::Formatter<'_>,
    status: FaultStatus,
    set: SynchronousErrorType,
    bits: u64,
) -> fmt::Result {
    write!(f, ", {status}")?;
    if matches!(status, FaultStatus::External) {
        write!(f, ", {set}")?;
    }
    write_set(f, bits, &[(7, ", stage 2 of a stage 1 walk"), (10, ", address not valid")])
}

/// SET: the state of the core after a synchronous external abort.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum SynchronousErrorType {
    /// Recoverable (UER), or not said.
    Recoverable = 0b00,
    /// Reserved.
    Reserved = 0b01,
    /// Uncontainable (UC).
    Uncontainable = 0b10,
    /// Restartable (UEO).
    Restartable = 0b11,
}

impl SynchronousErrorType {
    /// The state that bits \[1:0\] of `bits` encode.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
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
        f.write_str(word(
            &["recoverable", "reserved error type", "uncontainable", "restartable"],
            *self as u8,
        ))
    }
}

/// A data abort (DDI 0487, "ISS encoding for an exception from a Data Abort"), with the bits of `ESR_ELx`:
/// ISS in bits \[24:0\], ISS2 in bits \[55:32\].
#[bitfield(u64, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct DataAbort {
    /// DFSC, bits \[5:0\]: why.
    #[bits(6, access = RO)]
    pub dfsc: FaultStatus,
    /// WnR, bit \[6\]: a write.
    #[bits(1, access = RO)]
    pub wnr: bool,
    /// S1PTW, bit \[7\]: a stage 2 fault of a stage 1 walk.
    #[bits(1, access = RO)]
    pub s1ptw: bool,
    /// CM, bit \[8\]: a cache maintenance or address translation instruction.
    #[bits(1, access = RO)]
    pub cm: bool,
    /// EA, bit \[9\]: external abort type.
    #[bits(1, access = RO)]
    pub ea: bool,
    /// FnV, bit \[10\]: `FAR_ELx` is not valid.
    #[bits(1, access = RO)]
    pub fnv: bool,
    /// SET, bits \[12:11\]: the state of the core after an external abort. For a 64-byte access they
    /// are LST, which instruction it was.
    #[bits(2, access = RO)]
    pub set: SynchronousErrorType,
    /// VNCR, bit \[13\]: the access was made by way of `VNCR_EL2`.
    #[bits(1, access = RO)]
    pub vncr: bool,
    /// AR, bit \[14\]: acquire or release semantics; with ISV.
    #[bits(1, access = RO)]
    pub ar: bool,
    /// SF, bit \[15\]: the register is 64 bits wide; with ISV.
    #[bits(1, access = RO)]
    pub sf: bool,
    /// SRT, bits \[20:16\]: the register, 31 for the zero register; with ISV.
    #[bits(5, access = RO)]
    pub srt: u8,
    /// SSE, bit \[21\]: the value is sign-extended; with ISV.
    #[bits(1, access = RO)]
    pub sse: bool,
    /// SAS, bits \[23:22\]: log2 of the size of the access in bytes; with ISV.
    #[bits(2, access = RO)]
    pub sas: u8,
    /// ISV, bit \[24\]: SAS, SSE, SRT, SF and AR describe a load or store that can be emulated.
    #[bits(1, access = RO)]
    pub isv: bool,
    #[bits(7)]
    __: u8,
    /// Xs, bits \[36:32\]: the register that holds the status of a 64-byte store.
    #[bits(5, access = RO)]
    pub xs: u8,
    /// DirtyBit, bit \[37\]: dirty state forbids it.
    #[bits(1, access = RO)]
    pub dirty_bit: bool,
    /// Overlay, bit \[38\]: a permission overlay forbids it.
    #[bits(1, access = RO)]
    pub overlay: bool,
    /// AssuredOnly, bit \[39\]: stage 2 requires assured translation.
    #[bits(1, access = RO)]
    pub assured_only: bool,
    /// GCS, bit \[40\]: an access to the guarded control stack.
    #[bits(1, access = RO)]
    pub gcs: bool,
    /// TagAccess, bit \[41\]: an instruction that accesses tags.
    #[bits(1, access = RO)]
    pub tag_access: bool,
    /// TnD, bit \[42\]: the allocation tag faulted, not the data.
    #[bits(1, access = RO)]
    pub tnd: bool,
    /// HDBSSF, bit \[43\]: the hardware dirty state structure had no room.
    #[bits(1, access = RO)]
    pub hdbssf: bool,
    #[bits(20)]
    __: u32,
}

impl fmt::Display for DataAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.into_bits();
        f.write_str(access(bits))?;
        if self.isv() {
            let bytes = if self.sas() == 0 { "byte" } else { "bytes" };
            let way = if self.wnr() { "from" } else { "to" };
            write!(f, " of {} {bytes} {way} ", 1_u8 << self.sas())?;
            write_register(f, if self.sf() { "X" } else { "W" }, self.srt())?;
        }
        write_status(f, self.dfsc(), self.set(), bits)?;
        write_set(
            f,
            bits,
            &[
                (13, ", through VNCR_EL2"),
                (37, ", by dirty state"),
                (38, ", by a permission overlay"),
                (39, ", not an assured translation"),
                (40, ", on the guarded control stack"),
                (41, ", by a tag instruction"),
                (42, ", on the allocation tag"),
                (43, ", dirty state structure full"),
            ],
        )
    }
}

/// A granule protection check (DDI 0487, "ISS encoding for a Granule Protection Check exception").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct GranuleProtection {
    /// xFSC, bits \[5:0\]: why.
    #[bits(6, access = RO)]
    pub xfsc: FaultStatus,
    /// WnR, bit \[6\]: a write.
    #[bits(1, access = RO)]
    pub wnr: bool,
    /// S1PTW, bit \[7\]: on a stage 1 walk.
    #[bits(1, access = RO)]
    pub s1ptw: bool,
    /// CM, bit \[8\]: a cache maintenance or address translation instruction.
    #[bits(1, access = RO)]
    pub cm: bool,
    #[bits(4)]
    __: u8,
    /// VNCR, bit \[13\]: the access was made by way of `VNCR_EL2`.
    #[bits(1, access = RO)]
    pub vncr: bool,
    /// GPCSC, bits \[19:14\]: what the check itself met.
    #[bits(6, access = RO)]
    pub gpcsc: u8,
    /// InD, bit \[20\]: an instruction fetch.
    #[bits(1, access = RO)]
    pub ind: bool,
    /// S2PTW, bit \[21\]: on a stage 2 walk.
    #[bits(1, access = RO)]
    pub s2ptw: bool,
    #[bits(10)]
    __: u32,
}

impl fmt::Display for GranuleProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.ind() { " on a fetch" } else { access(u64::from(self.into_bits())) })?;
        write!(f, ", {}, check status {:#x}", self.xfsc(), self.gpcsc())
    }
}

/// An `SError` (DDI 0487, "ISS encoding for an SError exception").
#[bitfield(u32, new = false, default = false, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct SystemError {
    /// DFSC, bits \[5:0\]: 0b000000 is uncategorized, 0b010001 an asynchronous error; the fields above it
    /// are for the latter.
    #[bits(6, access = RO)]
    pub dfsc: u8,
    #[bits(3)]
    __: u8,
    /// EA, bit \[9\]: external abort type.
    #[bits(1, access = RO)]
    pub ea: bool,
    /// AET, bits \[12:10\]: the state of the core.
    #[bits(3, access = RO)]
    pub aet: AsynchronousErrorType,
    /// IESB, bit \[13\]: an implicit error synchronization event took it.
    #[bits(1, access = RO)]
    pub iesb: bool,
    #[bits(10)]
    __: u32,
    /// IDS, bit \[24\]: all of bits \[23:0\] is the implementation's own.
    #[bits(1, access = RO)]
    pub ids: bool,
    #[bits(7)]
    __: u8,
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ids(), self.dfsc()) {
            (true, _) => write!(f, ", implementation defined {:#x}", self.into_bits() & 0xff_ffff),
            (false, 0) => f.write_str(", uncategorized"),
            (false, 0b01_0001) => write!(f, ", {}", self.aet()),
            (false, reserved) => write!(f, ", reserved status {reserved:#x}"),
        }
    }
}

/// AET: the state of the core after an asynchronous error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum AsynchronousErrorType {
    /// Uncontainable (UC).
    Uncontainable = 0b000,
    /// Unrecoverable (UEU).
    Unrecoverable = 0b001,
    /// Restartable (UEO).
    Restartable = 0b010,
    /// Recoverable (UER).
    Recoverable = 0b011,
    /// Corrected (CE).
    Corrected = 0b110,
    /// An encoding without a meaning, bits \[2:0\].
    Reserved(u8) = 0b1000,
}

impl AsynchronousErrorType {
    /// The state that bits \[2:0\] of `bits` encode.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
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
        f.write_str(match self {
            Self::Uncontainable => "uncontainable",
            Self::Unrecoverable => "unrecoverable",
            Self::Restartable => "restartable",
            Self::Recoverable => "recoverable",
            Self::Corrected => "corrected",
            Self::Reserved(_) => "reserved error type",
        })
    }
}
