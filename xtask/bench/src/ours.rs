//! This project: its machine, its engine and its gdb server, over loopback.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, MutexGuard},
    thread::{self, JoinHandle},
};

use anyhow::{Result, anyhow};
use trapline_core::{
    breakpoint::{Breakpoint, Instruction},
    debugger::{Debugger, Options, Request},
    pool::Owner,
    scope::Scope,
    target::CoreId,
};
use trapline_kvm::{
    KvmTarget,
    gdb_server::{Client, End, Notifier, serve, wait_readable},
    machine::{Machine, MachineConfig, RunningMachine},
    open,
};

/// As many cores and software breakpoints as are measured with.
type GuestDebugger = Debugger<KvmTarget, 64, 1024>;

/// A guest that is served. It ends when this is dropped.
pub(crate) struct Ours {
    machine: Option<RunningMachine<GuestDebugger>>,
    notifier: Arc<Notifier>,
    server: Option<JoinHandle<()>>,
    pub(crate) address: SocketAddr,
}

/// A machine with a guest, before anything runs.
pub(crate) fn machine(elf: &[u8], cores: u16) -> Result<Machine> {
    let kvm = open(Path::new("/dev/kvm"))?;
    let config = MachineConfig { cpus: cores, ..MachineConfig::default() };
    let mut machine = Machine::new(&kvm, &config, Box::new(io::sink()))?;
    machine.load_elf(elf)?;
    Ok(machine)
}

impl Ours {
    /// Starts it, with a guest that stands still at first.
    pub(crate) fn start(elf: &[u8], cores: u16) -> Result<Self> {
        let notifier = Notifier::new()?;
        let machine = machine(elf, cores)?
            .start(|target| anyhow::Ok(GuestDebugger::new(target)?), &notifier.observer())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (handler, wakes) = (machine.handler().clone(), notifier.clone());
        let server = thread::spawn(move || {
            while wait_readable(&listener, &wakes).is_ok_and(|readable| readable) {
                let Ok((stream, _)) = listener.accept() else { return };
                if stream.set_nodelay(true).is_err() || serve(Client::Tcp(stream), &handler, &wakes).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { machine: Some(machine), notifier, server: Some(server), address })
    }

    /// How many ioctls its vCPUs have taken so far; all of them stand still.
    pub(crate) fn ioctls(&self) -> Result<u64> {
        Ok(self.debugger()?.target().ioctls())
    }

    /// Stops at a hardware breakpoint when the low half of X1 is `value`.
    pub(crate) fn stop_at(&self, address: u64, value: u16) -> Result<()> {
        let [high, low] = value.to_be_bytes();
        // reg 1; zero_ext 16; const16 value; equal; end.
        let condition = [0x26, 0, 1, 0x2a, 16, 0x23, high, low, 0x13, 0x27];
        let options = Options { conditions: &[&condition], ..Options::default() };
        let inserted = self.debugger()?.insert_with(CoreId(0), breakpoint(address)?, Owner::HOST, &options);
        inserted.map_err(|error| anyhow!("the condition is refused: {error}"))
    }

    /// Takes that breakpoint out again.
    pub(crate) fn stop_no_more(&self, address: u64) -> Result<()> {
        let removed = self.debugger()?.remove(breakpoint(address)?, Owner::HOST);
        removed.map_err(|error| anyhow!("the breakpoint stays: {error}"))
    }

    fn debugger(&self) -> Result<MutexGuard<'_, GuestDebugger>> {
        let machine = self.machine.as_ref().ok_or_else(|| anyhow!("the machine is gone"))?;
        machine.handler().lock().map_err(|_| anyhow!("a vCPU's thread has panicked"))
    }
}

fn breakpoint(address: u64) -> Result<Request> {
    Ok(Request::Breakpoint(Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0)?))
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.notifier.finish(End::Signal(15));
        if let Some(server) = self.server.take() {
            // A panic of it has been printed.
            drop(server.join());
        }
        self.machine = None;
    }
}
