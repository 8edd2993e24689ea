//! Any number is a register of KVM's or is said not to be one, and every name leads to a number and back.

use arbitrary::Arbitrary;
use trapline_core::target::{Register, SystemRegister};
use trapline_kvm::register_id::{RegisterId, RegisterKind};

use crate::read;

#[derive(Arbitrary, Debug)]
struct Input {
    raw: u64,
    /// Whether the bits that all of arm64's have are set.
    arm64: bool,
    register: u8,
    number: u8,
    encoding: u16,
}

/// Reads one number and one name.
///
/// # Panics
/// Where the way back leads elsewhere.
pub fn check(data: &[u8]) {
    let Some(input) = read::<Input>(data) else { return };
    let raw = if input.arm64 { input.raw & 0x00ff_0000_ffff_ffff | 0x6000 << 48 } else { input.raw };
    let id = RegisterId::from_raw(raw);
    assert_eq!(id.raw(), raw);
    let name = id.to_string();
    assert!(!name.is_empty());
    match id.kind() {
        RegisterKind::Core(register) => assert_eq!(RegisterId::core(register), Some(id), "{name}"),
        RegisterKind::System(register) => assert_eq!(RegisterId::system(register), id, "{name}"),
        RegisterKind::Sve(register) => assert_eq!(RegisterId::sve(register), id, "{name}"),
        RegisterKind::CacheSize { selector } => assert_eq!(RegisterId::cache_size(selector), id, "{name}"),
        RegisterKind::Firmware(number) => assert_eq!(RegisterId::firmware(number), id, "{name}"),
        _ => {}
    }

    let register = match input.register % 6 {
        0 => Register::X(input.number),
        1 => Register::Pc,
        2 => Register::Pstate,
        3 => Register::Fpsr,
        4 => Register::Fpcr,
        _ => Register::System(SystemRegister::from_encoding(input.encoding)),
    };
    match RegisterId::of(register) {
        Some(id) => {
            assert_ne!(id.kind(), RegisterKind::Unknown, "{register}");
            assert!(id.size().is_some(), "{register}");
        }
        None => assert!(matches!(register, Register::X(31..)), "{register}"),
    }
    let system = SystemRegister::from_encoding(input.encoding);
    assert_eq!(SystemRegister::by_name(&system.to_string()), Some(system));
}
