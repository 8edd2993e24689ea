//! The limit: loops of ioctls with kvm-ioctls and nothing else.

#![expect(unsafe_code, reason = "guest memory is given to KVM by address")]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    ptr::from_ref,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use kvm_bindings::{
    KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, RegList, kvm_create_device, kvm_device_attr,
    kvm_device_type_KVM_DEV_TYPE_ARM_VGIC_V3, kvm_guest_debug, kvm_guest_debug_arch,
    kvm_userspace_memory_region, kvm_vcpu_init,
};
use kvm_ioctls::{DeviceFd, Kvm, VcpuExit, VcpuFd, VmFd};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryBackend as _, GuestMemoryMmap};

use crate::guest::ENTRY;

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: usize = 16 << 20;
/// `KVM_GUESTDBG_USE_HW` of arm64.
const USE_HW: u32 = 1 << 17;
// Identifiers of registers (KVM API, section 4.68): the core's, of 64 bits, by their place in `struct kvm_regs`.
const X1: u64 = 0x6030_0000_0010_0002;
const X2: u64 = 0x6030_0000_0010_0004;
const PC: u64 = 0x6030_0000_0010_0040;

/// About as long as answers are: a stop reply, all registers, and a word.
pub(crate) const STOP_REPLY: usize = 128;
pub(crate) const REGISTERS: usize = 540;
pub(crate) const OK: usize = 6;

/// A vCPU about to run a guest.
pub(crate) struct Bare {
    vcpu: VcpuFd,
    _interrupts: DeviceFd,
    _vm: VmFd,
    _memory: GuestMemoryMmap,
}

impl Bare {
    /// A virtual machine of one vCPU, memory, and the interrupt controller that every machine has: KVM looks after
    /// it at each `KVM_RUN`.
    pub(crate) fn new(elf: &[u8]) -> Result<Self> {
        let vm = Kvm::new()?.create_vm()?;
        let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(RAM), RAM_SIZE)])?;
        let region = memory.iter().next().context("there is no memory")?;
        let slot = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: RAM,
            memory_size: RAM_SIZE as u64,
            userspace_addr: region.as_ptr() as u64,
        };
        // SAFETY: the range is that of `memory`, which lives as long as the vCPU: both are fields of what is
        // returned, the vCPU before it.
        unsafe { vm.set_user_memory_region(slot)? };
        memory.write_slice(elf.get(0x1000..).context("no program")?, GuestAddress(ENTRY))?;
        let vcpu = vm.create_vcpu(0)?;
        let mut init = kvm_vcpu_init::default();
        vm.get_preferred_target(&mut init)?;
        vcpu.vcpu_init(&init)?;
        let interrupts = interrupt_controller(&vm)?;
        let bare = Self { vcpu, _interrupts: interrupts, _vm: vm, _memory: memory };
        bare.set(PC, ENTRY)?;
        Ok(bare)
    }

    fn set(&self, register: u64, value: u64) -> Result<()> {
        self.vcpu.set_one_reg(register, &value.to_ne_bytes())?;
        Ok(())
    }

    fn debug(&self, control: u32, breakpoint: u64) -> Result<()> {
        let mut arch = kvm_guest_debug_arch::default();
        if control & USE_HW != 0 {
            // E, PMC 0b11, BAS 0b1111: EL1 and EL0.
            (arch.dbg_bcr[0], arch.dbg_bvr[0]) = (0x1e7, breakpoint);
        }
        let debug = kvm_guest_debug { control, pad: 0, arch };
        Ok(self.vcpu.set_guest_debug(&debug)?)
    }

    fn run(&mut self) -> Result<()> {
        loop {
            match self.vcpu.run() {
                Ok(VcpuExit::Debug(_)) => return Ok(()),
                Ok(VcpuExit::Intr) => {}
                Ok(exit) => bail!("expected a debug exit, and got {exit:?}"),
                Err(error) if error.errno() == 4 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Steps `count` times through the two instructions at `from`.
    pub(crate) fn steps(&mut self, from: u64, count: u32) -> Result<Duration> {
        self.set(X2, u64::MAX)?;
        self.set(PC, from)?;
        self.debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0)?;
        let begun = Instant::now();
        for _ in 0..count {
            self.run()?;
        }
        Ok(begun.elapsed())
    }

    /// Steps `count` times through the instructions at `from`, and reads PC after each step.
    pub(crate) fn steps_seen(&mut self, from: u64, count: u32) -> Result<Duration> {
        let mut value = [0; 8];
        self.set(X2, u64::MAX)?;
        self.set(PC, from)?;
        self.debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0)?;
        let begun = Instant::now();
        for _ in 0..count {
            self.run()?;
            self.vcpu.get_one_reg(PC, &mut value)?;
        }
        Ok(begun.elapsed())
    }

    /// Answers every packet that comes over a connection, until that is closed, with nothing but what KVM has to do for it
    /// in between: a step or a run with the breakpoint, which packets put in and take out. It never sleeps.
    pub(crate) fn serve(&mut self, mut stream: TcpStream, from: u64, breakpoint: u64) -> Result<()> {
        let mut packet = [0; 64];
        let (registers, stop) = ([b'0'; REGISTERS], [b'T'; STOP_REPLY]);
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        self.set(X2, u64::MAX)?;
        self.set(PC, from)?;
        let mut control = None;
        loop {
            match stream.read(&mut packet) {
                Ok(0) => return Ok(()),
                Ok(_) => {
                    let wanted = match packet {
                        [_, b'g', ..] => {
                            stream.write_all(&registers)?;
                            continue;
                        }
                        [_, b'Z' | b'z', ..] => {
                            stream.write_all(&[b'O'; OK])?;
                            continue;
                        }
                        [_, _, _, _, _, _, _, b's', ..] => KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
                        _ => KVM_GUESTDBG_ENABLE | USE_HW,
                    };
                    if control != Some(wanted) {
                        self.debug(wanted, breakpoint)?;
                        control = Some(wanted);
                    }
                    self.run()?;
                    stream.write_all(&stop)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Hits a breakpoint `count` times: looks at a register, steps over it, and goes on.
    pub(crate) fn hits(&mut self, breakpoint: u64, count: u32) -> Result<Duration> {
        let mut value = [0; 8];
        self.set(PC, ENTRY)?;
        self.debug(KVM_GUESTDBG_ENABLE | USE_HW, breakpoint)?;
        self.run()?;
        let begun = Instant::now();
        for _ in 0..count {
            self.vcpu.get_one_reg(X1, &mut value)?;
            self.debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0)?;
            self.run()?;
            self.debug(KVM_GUESTDBG_ENABLE | USE_HW, breakpoint)?;
            self.run()?;
        }
        Ok(begun.elapsed())
    }
}

/// A GICv3 (KVM API, devices/arm-vgic-v3), where this project's machine has it.
fn interrupt_controller(vm: &VmFd) -> Result<DeviceFd> {
    const ADDRESSES: u32 = 0;
    const CONTROL: u32 = 4;
    let (distributor, redistributor): (u64, u64) = (0x0800_0000, 0x080a_0000);
    let mut device = kvm_create_device { type_: kvm_device_type_KVM_DEV_TYPE_ARM_VGIC_V3, fd: 0, flags: 0 };
    let device = vm.create_device(&mut device)?;
    let set = |group, attr, addr| device.set_device_attr(&kvm_device_attr { flags: 0, group, attr, addr });
    set(ADDRESSES, 2, from_ref(&distributor) as u64)?;
    set(ADDRESSES, 3, from_ref(&redistributor) as u64)?;
    set(CONTROL, 0, 0)?;
    Ok(device)
}

/// Reads and writes every register that KVM lists, and what else a vCPU is made of, `count` times. Registers that
/// are refused are read again, to see that they stand as they should.
pub(crate) fn save_and_restore(vcpu: &VcpuFd, count: u32) -> Result<Duration> {
    // KVM API, section 4.68: bits 55 to 52 are the base-two logarithm of the size.
    let size = |id: u64| 1 << (id >> 52 & 0xf);
    let mut values = vec![[0; 64]; 500];
    let begun = Instant::now();
    for _ in 0..count {
        let mut list = RegList::new(500).map_err(|_| anyhow::anyhow!("no memory for a list"))?;
        vcpu.get_reg_list(&mut list)?;
        for (id, value) in list.as_slice().iter().zip(&mut values) {
            vcpu.get_one_reg(*id, value.get_mut(..size(*id)).context("a register is long")?)?;
        }
        let (events, power) = (vcpu.get_vcpu_events()?, vcpu.get_mp_state()?);
        for (id, value) in list.as_slice().iter().zip(&mut values) {
            let value = &mut value[..size(*id)];
            if vcpu.set_one_reg(*id, value).is_err() {
                vcpu.get_one_reg(*id, value)?;
            }
        }
        vcpu.set_vcpu_events(&events)?;
        vcpu.set_mp_state(power)?;
    }
    Ok(begun.elapsed())
}
