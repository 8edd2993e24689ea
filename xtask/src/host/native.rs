//! This machine as the host.

use std::{
    io::{self, Write},
    process::Stdio,
    sync::mpsc::channel,
};

use anyhow::{Context as _, Result, bail};

use super::{
    Input, Output, Program, Running,
    lines::{self, Watched},
    supervisor, tether,
};

/// Whether programs for arm64 KVM can run here.
pub(crate) fn is_usable() -> bool {
    let kvm = || rustix::fs::access("/dev/kvm", rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK);
    cfg!(target_arch = "aarch64") && kvm().is_ok()
}

/// Starts a program as a child of this process.
pub(crate) fn start(mut program: Program) -> Result<Running> {
    refuse_what_needs_emulation(&program)?;
    for forward in &mut program.forwards {
        forward.host = forward.guest;
    }
    let mut words = program.command.iter();
    let mut command = tether::to_self(words.next().context("no program")?);
    command.args(words).envs(program.environment);
    if program.input == Input::Empty {
        command.stdin(Stdio::null());
    }
    if program.output != Output::Inherit {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let (events, received) = channel();
    let signals = supervisor::signals(&events)?;
    let mut child = command.spawn().context("cannot start the program")?;
    let mut readers = Vec::new();
    let shown = program.output == Output::Watched;
    if let Some(output) = child.stdout.take() {
        let to: Box<dyn Write + Send> = if shown { Box::new(io::stdout()) } else { Box::new(io::sink()) };
        readers.push(lines::copy(output, Watched::new(to, events.clone()))?);
    }
    if let Some(output) = child.stderr.take() {
        let to: Box<dyn Write + Send> = if shown { Box::new(io::stderr()) } else { Box::new(io::sink()) };
        readers.push(lines::copy(output, Watched::new(to, events.clone()))?);
    }
    let stopper = supervisor::of_child(child, readers, events, signals)?;
    Ok(Running { events: received, forwards: program.forwards, stopper })
}

/// What is mapped into an emulated host keeps its name when the program runs here.
fn refuse_what_needs_emulation(program: &Program) -> Result<()> {
    for file in &program.files {
        if file.source != file.destination {
            bail!(
                "{} cannot appear as {} where the program runs directly: leave the second path out",
                file.source.display(),
                file.destination.display()
            );
        }
    }
    for forward in &program.forwards {
        if forward.host != forward.guest && !forward.chosen {
            bail!(
                "port {} cannot appear as {} where the program runs directly: name one port twice",
                forward.guest,
                forward.host
            );
        }
    }
    for stream in &program.streams {
        if stream.inside != stream.outside {
            bail!("{} must keep its path where the program runs directly", stream.inside.display());
        }
    }
    Ok(())
}
