//! Guest debug for somebody else's VMM: the ten lines between the marks are all that gdb needs.
//!
//! The rest is a small VMM over kvm-ioctls and vm-memory, as anybody might have one: it loads a flat binary
//! at the start of its RAM, runs it on one vCPU, and prints what the guest writes to a serial port.
//!
//! ```text
//! cargo build --example vmm --target aarch64-unknown-linux-musl
//! vmm GUEST.bin &
//! gdb-multiarch -ex 'target remote 127.0.0.1:1234'
//! ```

#![expect(unsafe_code, reason = "KVM is told of the guest's memory by its address in this process")]

use std::error::Error;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::VmFd;
use trapline_core::debugger::Debugger;
use trapline_core::target::Register;
use trapline_kvm::gdb_server::{Client, Notifier, Served, serve};
use trapline_kvm::register_id::RegisterId;
use trapline_kvm::{Devices, KvmCapabilities, KvmTarget, KvmVcpu, VcpuFeatures, VcpuThreads, open};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

const RAM: GuestAddress = GuestAddress(0x4000_0000);
const RAM_SIZE: usize = 16 << 20;
const SERIAL: u64 = 0x0900_0000;

/// The VMM's bus. Its device model takes the place of the `match` over MMIO exits.
struct Serial;

impl Devices for Serial {
    fn read(&self, _: u64, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&self, address: u64, data: &[u8]) {
        if address == SERIAL {
            // There is nobody to tell where standard output is gone.
            let _ = std::io::stdout().write_all(&data[..1]);
        }
    }
}

fn run(image: &str) -> Result<(), Box<dyn Error>> {
    let image = std::fs::read(image)?;
    let kvm = open(Path::new("/dev/kvm"))?;
    let vm = kvm.create_vm()?;
    let memory = Arc::new(GuestMemoryMmap::from_ranges(&[(RAM, RAM_SIZE)])?);
    map(&vm, &memory)?;
    memory.write_slice(&image, RAM)?;
    let fd = vm.create_vcpu(0)?;
    VcpuFeatures::default().init(&vm, &fd)?;

    // Guest debug begins here.
    let mut vcpu = KvmVcpu::new(fd);
    vcpu.write(RegisterId::of(Register::Pc).ok_or("no PC")?, RAM.0)?;
    let target = KvmTarget::new(vec![vcpu], memory.clone(), &KvmCapabilities::probe(&kvm))?;
    let handles = target.handles();
    let debugger: Arc<Mutex<Debugger<KvmTarget>>> = Arc::new(Mutex::new(Debugger::new(target)?));
    let notifier = Notifier::new()?;
    let devices: Arc<dyn Devices + Send + Sync> = Arc::new(Serial);
    let threads = VcpuThreads::start(handles, &debugger, &devices, &notifier.observer())?;
    let listener = TcpListener::bind("127.0.0.1:1234")?;
    let served = serve(Client::Tcp(listener.accept()?.0), &debugger, &notifier)?;
    // Guest debug ends here.

    if !matches!(served, Served::Ended) {
        // The client has left, and the guest runs on to its end.
        notifier.wait()?;
    }
    println!("the guest has ended: {:?}", notifier.end());
    drop(threads);
    Ok(())
}

/// Tells KVM of the guest's memory.
fn map(vm: &VmFd, memory: &GuestMemoryMmap) -> Result<(), Box<dyn Error>> {
    for (slot, region) in (0..).zip(memory.iter()) {
        let slot = kvm_userspace_memory_region {
            slot,
            flags: 0,
            guest_phys_addr: region.start_addr().0,
            memory_size: region.size() as u64,
            userspace_addr: region.as_ptr() as u64,
        };
        // SAFETY: the range is that of a mapping that the target owns a share of, and so does `run`, until
        // the last vCPU's thread has ended.
        unsafe { vm.set_user_memory_region(slot)? };
    }
    Ok(())
}

fn main() -> ExitCode {
    let Some(image) = std::env::args().nth(1) else {
        eprintln!("usage: vmm GUEST.bin");
        return ExitCode::from(2);
    };
    match run(&image) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
