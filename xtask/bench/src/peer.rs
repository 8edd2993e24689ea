//! The peer: QEMU with KVM, and its gdb server.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// A QEMU at work. It ends when this is dropped.
pub(crate) struct Peer {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Peer {
    /// Starts it by `command`, with a guest that stands still at first.
    pub(crate) fn start(command: &str, elf: &[u8], cores: u16) -> Result<Self> {
        let file = std::env::temp_dir().join(format!("guest-{cores}.elf"));
        std::fs::write(&file, elf).context("the guest cannot be written")?;
        // A port that was free a moment ago.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut words = command.split_whitespace();
        let program = words.next().context("the peer's command is empty")?;
        let mut command = Command::new(program);
        command.args(words);
        command.args(["-M", "virt,gic-version=3", "-accel", "kvm", "-cpu", "host", "-m", "128"]);
        command.args(["-nodefaults", "-display", "none", "-serial", "none", "-S"]);
        command.arg("-smp").arg(cores.to_string()).arg("-kernel").arg(&file);
        command.arg("-gdb").arg(format!("tcp:{address}"));
        let child = command.stdin(Stdio::null()).spawn().context("the peer cannot be started")?;
        Ok(Self { child, address })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
