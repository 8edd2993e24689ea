//! A program for the emulated host that makes a virtual machine and holds it, for as long as the host is up.
//!
//! Linux puts a vCPU's registers away when its thread is preempted, and loads them again, from the first machine on until
//! the last is gone: branches in the kernel's code are patched each time (`preempt_notifier_key`). An emulator whose
//! threads translate that code while another one patches it may be late. Seen with QEMU 7.2, a few times in thousands of
//! hosts on a machine under load: a thread came back from `KVM_RUN` with the guest's `TPIDR_EL0` and died, and a guest ran
//! on with the registers of EL1 that it was reset to, which is what comes of registers that were loaded twice and not put
//! away in between. So the branches are patched once, while only one processor is on, and not again.

/// Where the program is loaded: the whole file, from its start on.
const BASE: u64 = 0x40_0000;
/// The lengths of the header of an ELF file, of the one program header behind it, and of both.
const HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;
const BEGINNING: u64 = HEADER as u64 + PROGRAM_HEADER as u64;
/// What the code opens, as C has it; it stands behind the code.
const DEVICE: &[u8] = b"/dev/kvm\0";

/// `SVC #0`.
const CALL: u32 = 0xd400_0001;
/// Opens the device, makes a machine of the usual type, and waits for ever. Numbers of system calls are those of
/// asm-generic/unistd.h, 8 is the register for them.
const CODE: [u32; 20] = [
    0x9280_0c60,      // MOV X0, #-100: AT_FDCWD
    0x1000_0261,      // ADR X1, to what stands behind the code
    immediate(2, 2),  // O_RDWR
    immediate(8, 56), // openat
    CALL,
    immediate(1, 0xae01), // KVM_CREATE_VM
    immediate(2, 0),
    immediate(8, 29), // ioctl
    CALL,
    0xb7f8_0100,     // TBNZ X0, #63, to the last three: it has failed
    immediate(0, 0), // no descriptors, no limit, no mask
    immediate(1, 0),
    immediate(2, 0),
    immediate(3, 0),
    immediate(4, 0),
    immediate(8, 73), // ppoll
    CALL,
    immediate(0, 1),
    immediate(8, 93), // exit
    CALL,
];

/// `MOVZ X<register>, #value`.
const fn immediate(register: u32, value: u16) -> u32 {
    0xd280_0000 | (value as u32) << 5 | register
}

/// The program, as a static ELF file for aarch64.
pub(crate) fn program() -> Vec<u8> {
    let code: Vec<u8> = CODE.iter().flat_map(|word| word.to_le_bytes()).collect();
    let length = BEGINNING + code.len() as u64 + DEVICE.len() as u64;

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // An executable, for AArch64.
    for half in [2_u16, 183] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for word in [BASE + BEGINNING, HEADER.into(), 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    // One program header and no sections.
    for half in [HEADER, PROGRAM_HEADER, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    // PT_LOAD, read and execute.
    for word in [1_u32, 5] {
        file.extend(word.to_le_bytes());
    }
    for word in [0, BASE, BASE, length, length, 0x1_0000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file.extend(DEVICE);
    file
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSegment as _};

    use super::*;

    #[test]
    fn the_program_is_one_that_is_loaded_whole() {
        let program = program();
        let file = object::File::parse(&*program).expect("an ELF file");
        assert_eq!((file.architecture(), file.entry()), (object::Architecture::Aarch64, BASE + BEGINNING));
        let segments: Vec<_> = file.segments().map(|segment| (segment.address(), segment.size())).collect();
        assert_eq!(segments, [(BASE, program.len() as u64)]);
        assert!(program.ends_with(DEVICE));
    }
}
