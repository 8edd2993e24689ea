//! KVM's register identifiers, the `id` of `KVM_GET_ONE_REG` and `KVM_SET_ONE_REG`.
//!
//! KVM API, section 4.68 "KVM_SET_ONE_REG": bits 63 to 60 name the architecture, bits 59 to 52 the
//! size as a power of two, bits 31 to 16 the group, and the rest depends on the group. Everything
//! here is pure, so that it can be tested on any host.

mod core_register;
mod sve_register;

use std::fmt;

use trapline_core::target::{Register, SystemRegister};

pub use core_register::{CoreRegister, SpsrBank};
pub use sve_register::SveRegister;

const ARM64: u64 = 0x6 << 60;
const SIZE_SHIFT: u32 = 52;
const GROUP_SHIFT: u32 = 16;

const GROUP_CORE: u16 = 0x10;
const GROUP_DEMUX: u16 = 0x11;
const GROUP_SYSTEM: u16 = 0x13;
const GROUP_FIRMWARE: u16 = 0x14;
const GROUP_SVE: u16 = 0x15;
const GROUP_FIRMWARE_BITMAP: u16 = 0x16;

/// The size of a register in its identifier: the exponent of the number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum RegisterSize {
    /// 8 bits.
    U8 = 0,
    /// 16 bits.
    U16 = 1,
    /// 32 bits.
    U32 = 2,
    /// 64 bits.
    U64 = 3,
    /// 128 bits.
    U128 = 4,
    /// 256 bits.
    U256 = 5,
    /// 512 bits.
    U512 = 6,
    /// 1024 bits.
    U1024 = 7,
    /// 2048 bits.
    U2048 = 8,
}

impl RegisterSize {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        1 << self as u8
    }

    const fn from_exponent(exponent: u8) -> Option<Self> {
        Some(match exponent {
            0 => Self::U8,
            1 => Self::U16,
            2 => Self::U32,
            3 => Self::U64,
            4 => Self::U128,
            5 => Self::U256,
            6 => Self::U512,
            7 => Self::U1024,
            8 => Self::U2048,
            _ => return None,
        })
    }
}

/// What an identifier names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RegisterKind {
    /// A register of `struct kvm_regs`.
    Core(CoreRegister),
    /// `CCSIDR_EL1` as it reads when `CSSELR_EL1` holds this value.
    CacheSize {
        /// The value of `CSSELR_EL1`, 0 to 255.
        selector: u8,
    },
    /// A system register, by the encoding that the guest uses: KVM's exchange of `CNTV_CVAL_EL0` and
    /// `CNTVCT_EL0` is undone.
    System(SystemRegister),
    /// A firmware pseudo-register, `KVM_REG_ARM_FW_REG(n)`: 0 is the PSCI version.
    Firmware(u16),
    /// A bitmap of firmware services, `KVM_REG_ARM_FW_FEAT_BMAP_REG(n)`.
    FirmwareBitmap(u16),
    /// A register of the SVE group.
    Sve(SveRegister),
    /// An identifier that this crate does not know.
    Unknown,
}

/// The `id` of `KVM_GET_ONE_REG` and `KVM_SET_ONE_REG`.
///
/// ```
/// use trapline_kvm::register_id::{CoreRegister, RegisterId};
///
/// let pc = RegisterId::core(CoreRegister::Pc).unwrap();
/// assert_eq!(pc.raw(), 0x6030_0000_0010_0040);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterId(u64);

impl RegisterId {
    /// `PSTATE`.
    pub const PSTATE: Self = Self::new(RegisterSize::U64, GROUP_CORE, core_register::PSTATE);

    /// The identifier that a kernel gave, as in `KVM_GET_REG_LIST`.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The identifier as KVM takes it.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    const fn new(size: RegisterSize, group: u16, low: u16) -> Self {
        Self(ARM64 | ((size as u64) << SIZE_SHIFT) | ((group as u64) << GROUP_SHIFT) | low as u64)
    }

    /// The identifier of a core register; `None` for an X above 30 or a V above 31.
    #[must_use]
    pub const fn core(register: CoreRegister) -> Option<Self> {
        match register.offset() {
            Some(offset) => Some(Self::new(register.size(), GROUP_CORE, offset)),
            None => None,
        }
    }

    /// The identifier of a system register in KVM's system register group.
    ///
    /// By its ABI, KVM's `KVM_REG_ARM_TIMER_CVAL` has the encoding of `CNTVCT_EL0`, and
    /// `KVM_REG_ARM_TIMER_CNT` that of `CNTV_CVAL_EL0`; here each register gets its own meaning.
    #[must_use]
    pub const fn system(register: SystemRegister) -> Self {
        Self::new(RegisterSize::U64, GROUP_SYSTEM, exchange_timer(register.encoding()))
    }

    /// `CCSIDR_EL1` for one value of `CSSELR_EL1`.
    #[must_use]
    pub const fn cache_size(selector: u8) -> Self {
        Self::new(RegisterSize::U32, GROUP_DEMUX, selector as u16)
    }

    /// A firmware pseudo-register.
    #[must_use]
    pub const fn firmware(number: u16) -> Self {
        Self::new(RegisterSize::U64, GROUP_FIRMWARE, number)
    }

    /// A register of the SVE group.
    #[must_use]
    pub const fn sve(register: SveRegister) -> Self {
        Self::new(register.size(), GROUP_SVE, register.low())
    }

    /// The identifier under which KVM keeps a register of the target; `None` where it has no such
    /// register (an X above 30).
    ///
    /// `SP_EL0`, `SP_EL1`, `ELR_EL1` and the SPSRs have system register encodings, but KVM keeps them
    /// among the core registers.
    #[must_use]
    pub fn of(register: Register) -> Option<Self> {
        let core = match register {
            Register::X(number) => CoreRegister::X(number),
            Register::Pc => CoreRegister::Pc,
            Register::Pstate => CoreRegister::Pstate,
            Register::Fpsr => CoreRegister::Fpsr,
            Register::Fpcr => CoreRegister::Fpcr,
            Register::System(system) => match banked(system) {
                Some(core) => core,
                None => return Some(Self::system(system)),
            },
            _ => return None,
        };
        Self::core(core)
    }

    /// How wide the register is; `None` for a size that the KVM API does not define.
    #[must_use]
    pub const fn size(self) -> Option<RegisterSize> {
        RegisterSize::from_exponent((self.0 >> SIZE_SHIFT) as u8)
    }

    /// What the identifier names.
    #[must_use]
    pub fn kind(self) -> RegisterKind {
        let low = self.0 as u16;
        let kind = match (self.0 >> GROUP_SHIFT) as u16 {
            GROUP_CORE => CoreRegister::from_offset(low).map(RegisterKind::Core),
            GROUP_DEMUX if low <= 0xff => Some(RegisterKind::CacheSize { selector: low as u8 }),
            GROUP_SYSTEM => Some(RegisterKind::System(SystemRegister::from_encoding(exchange_timer(low)))),
            GROUP_FIRMWARE => Some(RegisterKind::Firmware(low)),
            GROUP_FIRMWARE_BITMAP => Some(RegisterKind::FirmwareBitmap(low)),
            GROUP_SVE => SveRegister::from_low(low).map(RegisterKind::Sve),
            _ => None,
        };
        // A kind is only as good as its way back: the wrong size or a stray bit makes another register.
        kind.filter(|kind| Self::of_kind(*kind) == Some(self)).unwrap_or(RegisterKind::Unknown)
    }

    fn of_kind(kind: RegisterKind) -> Option<Self> {
        match kind {
            RegisterKind::Core(register) => Self::core(register),
            RegisterKind::CacheSize { selector } => Some(Self::cache_size(selector)),
            RegisterKind::System(register) => Some(Self::system(register)),
            RegisterKind::Firmware(number) => Some(Self::firmware(number)),
            RegisterKind::FirmwareBitmap(number) => {
                Some(Self::new(RegisterSize::U64, GROUP_FIRMWARE_BITMAP, number))
            }
            RegisterKind::Sve(register) => Some(Self::sve(register)),
            RegisterKind::Unknown => None,
        }
    }
}

impl fmt::Display for RegisterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            RegisterKind::Core(CoreRegister::X(number)) => write!(f, "X{number}"),
            RegisterKind::Core(CoreRegister::V(number)) => write!(f, "V{number}"),
            RegisterKind::Core(CoreRegister::SpEl0) => f.write_str("SP_EL0"),
            RegisterKind::Core(CoreRegister::Pc) => f.write_str("PC"),
            RegisterKind::Core(CoreRegister::Pstate) => f.write_str("PSTATE"),
            RegisterKind::Core(CoreRegister::SpEl1) => f.write_str("SP_EL1"),
            RegisterKind::Core(CoreRegister::ElrEl1) => f.write_str("ELR_EL1"),
            RegisterKind::Core(CoreRegister::Fpsr) => f.write_str("FPSR"),
            RegisterKind::Core(CoreRegister::Fpcr) => f.write_str("FPCR"),
            RegisterKind::Core(CoreRegister::Spsr(bank)) => f.write_str(match bank {
                SpsrBank::El1 => "SPSR_EL1",
                SpsrBank::Abt => "SPSR_abt",
                SpsrBank::Und => "SPSR_und",
                SpsrBank::Irq => "SPSR_irq",
                SpsrBank::Fiq => "SPSR_fiq",
            }),
            RegisterKind::CacheSize { selector } => write!(f, "CCSIDR_EL1[{selector}]"),
            RegisterKind::System(register) => register.fmt(f),
            RegisterKind::Firmware(number) => write!(f, "firmware register {number}"),
            RegisterKind::FirmwareBitmap(number) => write!(f, "firmware bitmap {number}"),
            RegisterKind::Sve(SveRegister::Z { number, .. }) => write!(f, "Z{number}"),
            RegisterKind::Sve(SveRegister::P { number, .. }) => write!(f, "P{number}"),
            RegisterKind::Sve(SveRegister::Ffr { .. }) => f.write_str("FFR"),
            RegisterKind::Sve(SveRegister::VectorLengths) => f.write_str("SVE vector lengths"),
            RegisterKind::Unknown => write!(f, "KVM register {:#018x}", self.0),
        }
    }
}

impl fmt::Debug for RegisterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl RegisterId {
    /// The system register that is kept under this identifier, if one is: also one that KVM keeps among the
    /// core registers.
    #[must_use]
    pub fn system_register(self) -> Option<SystemRegister> {
        match self.kind() {
            RegisterKind::System(register) => Some(register),
            RegisterKind::Core(register) => {
                BANKED.into_iter().find(|banked| self::banked(*banked) == Some(register))
            }
            _ => None,
        }
    }
}

/// Exchanges the encodings of `CNTV_CVAL_EL0` and `CNTVCT_EL0`; every other encoding stays.
const fn exchange_timer(encoding: u16) -> u16 {
    const CNTVCT: u16 = SystemRegister::CNTVCT_EL0.encoding();
    const CNTV_CVAL: u16 = SystemRegister::CNTV_CVAL_EL0.encoding();
    match encoding {
        CNTVCT => CNTV_CVAL,
        CNTV_CVAL => CNTVCT,
        other => other,
    }
}

const SPSR_IRQ: SystemRegister = spsr(0);
const SPSR_ABT: SystemRegister = spsr(1);
const SPSR_UND: SystemRegister = spsr(2);
const SPSR_FIQ: SystemRegister = spsr(3);

/// The SPSR of an AArch32 mode: op0 3, op1 4, CRn 4, CRm 3.
const fn spsr(op2: u16) -> SystemRegister {
    SystemRegister::from_encoding(3 << 14 | 4 << 11 | 4 << 7 | 3 << 3 | op2)
}

/// The system registers that KVM keeps among the core registers.
const BANKED: [SystemRegister; 8] = [
    SystemRegister::SP_EL0,
    SystemRegister::SP_EL1,
    SystemRegister::ELR_EL1,
    SystemRegister::SPSR_EL1,
    SPSR_ABT,
    SPSR_UND,
    SPSR_IRQ,
    SPSR_FIQ,
];

/// The core register that holds a register with a system register encoding, if one does
/// (DDI 0487, "Accessing" of each: the SPSRs are op0 3, op1 4, CRn 4, CRm 3).
fn banked(register: SystemRegister) -> Option<CoreRegister> {
    Some(match register {
        SystemRegister::SP_EL0 => CoreRegister::SpEl0,
        SystemRegister::SP_EL1 => CoreRegister::SpEl1,
        SystemRegister::ELR_EL1 => CoreRegister::ElrEl1,
        SystemRegister::SPSR_EL1 => CoreRegister::Spsr(SpsrBank::El1),
        SPSR_ABT => CoreRegister::Spsr(SpsrBank::Abt),
        SPSR_UND => CoreRegister::Spsr(SpsrBank::Und),
        SPSR_IRQ => CoreRegister::Spsr(SpsrBank::Irq),
        SPSR_FIQ => CoreRegister::Spsr(SpsrBank::Fiq),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Identifiers as the KVM API documentation and a 6.1 kernel's KVM_GET_REG_LIST give them.
    #[test]
    fn identifiers_are_those_of_the_kvm_api() {
        let core = |register| RegisterId::core(register).unwrap().raw();
        for (actual, expected) in [
            (core(CoreRegister::X(0)), 0x6030_0000_0010_0000),
            (core(CoreRegister::X(30)), 0x6030_0000_0010_003c),
            (core(CoreRegister::SpEl0), 0x6030_0000_0010_003e),
            (core(CoreRegister::Pc), 0x6030_0000_0010_0040),
            (core(CoreRegister::Pstate), 0x6030_0000_0010_0042),
            (core(CoreRegister::SpEl1), 0x6030_0000_0010_0044),
            (core(CoreRegister::ElrEl1), 0x6030_0000_0010_0046),
            (core(CoreRegister::Spsr(SpsrBank::El1)), 0x6030_0000_0010_0048),
            (core(CoreRegister::Spsr(SpsrBank::Fiq)), 0x6030_0000_0010_0050),
            (core(CoreRegister::V(0)), 0x6040_0000_0010_0054),
            (core(CoreRegister::V(31)), 0x6040_0000_0010_00d0),
            (core(CoreRegister::Fpsr), 0x6020_0000_0010_00d4),
            (core(CoreRegister::Fpcr), 0x6020_0000_0010_00d5),
            (RegisterId::cache_size(2).raw(), 0x6020_0000_0011_0002),
            (RegisterId::system(SystemRegister::MIDR_EL1).raw(), 0x6030_0000_0013_c000),
            (RegisterId::system(SystemRegister::MPIDR_EL1).raw(), 0x6030_0000_0013_c005),
            (RegisterId::system(SystemRegister::SCTLR_EL1).raw(), 0x6030_0000_0013_c080),
            (RegisterId::system(SystemRegister::CNTV_CTL_EL0).raw(), 0x6030_0000_0013_df19),
            (RegisterId::firmware(0).raw(), 0x6030_0000_0014_0000),
            (RegisterId::sve(SveRegister::Z { number: 0, slice: 0 }).raw(), 0x6080_0000_0015_0000),
            (RegisterId::sve(SveRegister::Z { number: 31, slice: 0 }).raw(), 0x6080_0000_0015_03e0),
            (RegisterId::sve(SveRegister::P { number: 15, slice: 0 }).raw(), 0x6050_0000_0015_05e0),
            (RegisterId::sve(SveRegister::Ffr { slice: 0 }).raw(), 0x6050_0000_0015_0600),
            (RegisterId::sve(SveRegister::VectorLengths).raw(), 0x6060_0000_0015_ffff),
        ] {
            assert_eq!(actual, expected, "{actual:#x} for {expected:#x}");
        }
    }

    /// KVM API, section 4.68: `KVM_REG_ARM_TIMER_CVAL` is encoded as CNTVCT_EL0 and
    /// `KVM_REG_ARM_TIMER_CNT` as CNTV_CVAL_EL0.
    #[test]
    fn the_virtual_timer_registers_have_each_others_encoding() {
        assert_eq!(RegisterId::system(SystemRegister::CNTV_CVAL_EL0).raw(), 0x6030_0000_0013_df02);
        assert_eq!(RegisterId::system(SystemRegister::CNTVCT_EL0).raw(), 0x6030_0000_0013_df1a);
        assert_eq!(
            RegisterId::from_raw(0x6030_0000_0013_df1a).kind(),
            RegisterKind::System(SystemRegister::CNTVCT_EL0)
        );
    }

    #[test]
    fn every_kind_comes_back_from_its_identifier() {
        let xs = (0..=30).map(CoreRegister::X);
        let vs = (0..=31).map(CoreRegister::V);
        let spsrs = SpsrBank::ALL.map(CoreRegister::Spsr);
        let rest = [
            CoreRegister::SpEl0,
            CoreRegister::Pc,
            CoreRegister::Pstate,
            CoreRegister::SpEl1,
            CoreRegister::ElrEl1,
            CoreRegister::Fpsr,
            CoreRegister::Fpcr,
        ];
        for register in xs.chain(vs).chain(spsrs).chain(rest) {
            let id = RegisterId::core(register).unwrap();
            assert_eq!(id.kind(), RegisterKind::Core(register), "{register:?}");
            assert_eq!(id.size(), Some(register.size()), "{register:?}");
        }
        for encoding in 0..=u16::MAX {
            let register = SystemRegister::from_encoding(encoding);
            assert_eq!(RegisterId::system(register).kind(), RegisterKind::System(register));
        }
        for low in 0..=u16::MAX {
            if let Some(register) = SveRegister::from_low(low) {
                assert_eq!(register.low(), low);
                assert_eq!(RegisterId::sve(register).kind(), RegisterKind::Sve(register));
            }
        }
    }

    #[test]
    fn registers_that_do_not_exist_have_no_identifier() {
        assert_eq!(RegisterId::core(CoreRegister::X(31)), None);
        assert_eq!(RegisterId::core(CoreRegister::V(32)), None);
        assert_eq!(RegisterId::of(Register::X(31)), None);
    }

    #[test]
    fn an_identifier_with_a_wrong_size_or_a_stray_bit_is_unknown() {
        for raw in [
            0x6020_0000_0010_0040, // PC with 32 bits
            0x6030_0000_0010_0041, // between PC and PSTATE
            0x6030_0000_0010_0052, // the padding behind the SPSRs
            0x6031_0000_0013_c000, // a size that is none
            0x6030_0001_0013_c000, // a bit between size and group
            0x7030_0000_0013_c000, // another architecture
            0x6030_0000_0017_0000, // a group of the future
            0x6020_0000_0011_0100, // a demultiplexer of the future
            0,
        ] {
            assert_eq!(RegisterId::from_raw(raw).kind(), RegisterKind::Unknown, "{raw:#x}");
        }
    }

    #[test]
    fn banked_registers_are_core_registers_to_kvm() {
        for (register, core) in [
            (SystemRegister::SP_EL0, CoreRegister::SpEl0),
            (SystemRegister::SP_EL1, CoreRegister::SpEl1),
            (SystemRegister::ELR_EL1, CoreRegister::ElrEl1),
            (SystemRegister::SPSR_EL1, CoreRegister::Spsr(SpsrBank::El1)),
            (SystemRegister::new(3, 4, 4, 3, 0).unwrap(), CoreRegister::Spsr(SpsrBank::Irq)),
            (SystemRegister::new(3, 4, 4, 3, 1).unwrap(), CoreRegister::Spsr(SpsrBank::Abt)),
            (SystemRegister::new(3, 4, 4, 3, 2).unwrap(), CoreRegister::Spsr(SpsrBank::Und)),
            (SystemRegister::new(3, 4, 4, 3, 3).unwrap(), CoreRegister::Spsr(SpsrBank::Fiq)),
        ] {
            assert_eq!(RegisterId::of(Register::System(register)), RegisterId::core(core), "{register}");
        }
        assert_eq!(
            RegisterId::of(Register::System(SystemRegister::TTBR0_EL1)),
            Some(RegisterId::system(SystemRegister::TTBR0_EL1))
        );
    }
}
