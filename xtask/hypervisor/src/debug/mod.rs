//! The debugger in the hypervisor: one guest is a target, and gdb has the UART.
//!
//! All of it runs on the core of that guest, between two entries into it, so nothing is shared and nothing
//! waits: the UART's interrupt makes the guest leave, and while the guest is halted the UART is polled. A
//! hypervisor whose guests have several vCPUs, or gdb's UART on another core, sends an interrupt to a core
//! that is to be halted.
#![expect(unsafe_code, reason = "statics instead of an allocator")]

mod registers;
mod target;

use trapline_core::debugger::{Debugger, Outcome as EngineOutcome};
use trapline_core::el2::{Answer, NoSuchDebugRegister, Verdict};
use trapline_core::gdb::{MIN_PACKET_BUFFER, Server, Status};
use trapline_core::pool::Owner;
use trapline_core::syndrome::{Details, Syndrome};
use trapline_core::target::{CoreId, Event, TargetError, TargetResult};

use crate::entry::Trap;
use crate::gic;
use crate::greeting::Greetings;
use crate::guest::{Guest, Outcome};
use crate::uart::Uart;
use crate::vcpu::{self, UNDEFINED};
use target::DebuggedGuest;

/// The core whose guest is debugged.
pub(crate) const CORE: usize = 0;

/// The one core of the target.
const VCPU: CoreId = CoreId(0);
/// For a packet from gdb and the answer to it, half each.
const PACKET: usize = MIN_PACKET_BUFFER;

type Engine = Debugger<DebuggedGuest, 1, 32, 1024>;
type GdbServer = Server<'static, DebuggedGuest, Uart, 1, 32, 1024>;

/// The debugger and gdb's session: all memory that debugging takes, but for the stack.
struct Session {
    engine: Engine,
    /// `None` while no client is there.
    server: Option<GdbServer>,
    greetings: Greetings,
}

/// Where it is.
static mut DEBUG_SESSION: Option<Session> = None;
/// What gdb sends, a packet at a time.
static mut DEBUG_PACKET: [u8; PACKET] = [0; PACKET];

/// Serves gdb, with the guest halted at its entry until gdb lets it run.
#[expect(clippy::panic, reason = "there is nothing to return to")]
pub(crate) fn run(guest: Guest) -> ! {
    Uart::start();
    gic::enable_uart(CORE);
    let Ok(engine) = Engine::new(DebuggedGuest::new(guest)) else {
        panic!("the engine is built for one core")
    };
    let place = &raw mut DEBUG_SESSION;
    // SAFETY: only the core of the debugged guest is here, and once.
    let session = unsafe { &mut *place };
    let session = session.insert(Session { engine, server: None, greetings: Greetings::default() });
    match session.serve() {
        Err(error) => {
            defmt::error!("the debugger has lost its target: {}", error);
            panic!()
        }
    }
}

impl Session {
    /// Runs the guest and serves gdb, for ever.
    fn serve(&mut self) -> Result<core::convert::Infallible, TargetError<NoSuchDebugRegister>> {
        self.connect();
        defmt::info!("gdb may attach: guest {=u8} is halted at its entry", CORE as u8);
        loop {
            if !self.engine.target().is_running() {
                self.engine.target_mut().hold_time();
                while !Uart::has_received() {
                    wait_for_interrupt();
                }
                self.receive();
                continue;
            }
            match self.engine.target_mut().run()? {
                Outcome::Continues => {}
                Outcome::Uart => {
                    self.receive();
                    gic::deactivate(gic::UART);
                }
                Outcome::Debug(trap) => self.debug_exception(&trap)?,
                #[cfg(feature = "write-traps")]
                Outcome::TrappedWrite(write) => {
                    let event = self.engine.target_mut().halted_by(write);
                    let outcome = self.engine.on_event(VCPU, event);
                    self.tell(outcome)?;
                }
                Outcome::Off => {
                    if let Some(server) = &mut self.server {
                        let _ = server.report_exit(&mut self.engine, 0);
                    }
                    self.engine.target().guest().end();
                }
            }
        }
    }

    /// Decides about a debug exception, or a trapped access to a debug register.
    fn debug_exception(&mut self, trap: &Trap) -> TargetResult<(), DebuggedGuest> {
        let target = self.engine.target_mut();
        if let Details::SystemRegister(access) = Syndrome::decode(trap.syndrome).details {
            let value = target.guest().frame.read(access.rt());
            let answer = target.debug().on_access(access, value);
            let frame = &mut target.guest_mut().frame;
            match answer {
                Answer::Value(value) => frame.write(access.rt(), value),
                Answer::Written => {}
                Answer::Undefined => {
                    vcpu::inject(frame, &UNDEFINED);
                    return Ok(());
                }
            }
            frame.advance();
            return Ok(());
        }
        let event = Event::DebugException { syndrome: trap.syndrome, fault_address: trap.fault_address };
        let outcome = match target.verdict(event) {
            Verdict::RunOn => return Ok(()),
            Verdict::Debugger(event) => self.engine.on_event(VCPU, event),
            Verdict::Guest(event) => self.engine.on_guest_event(VCPU, event),
        };
        self.tell(outcome)
    }

    /// Tells gdb where the guest has stopped for it.
    fn tell(
        &mut self,
        outcome: TargetResult<EngineOutcome, DebuggedGuest>,
    ) -> TargetResult<(), DebuggedGuest> {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // Code that the engine does not step, such as AArch32's: the guest stays where it is.
            Err(TargetError::Refused(refusal)) => {
                defmt::warn!("the guest cannot go on: {}", refusal);
                self.engine.interrupt()?;
                EngineOutcome::Stopped
            }
            Err(lost) => return Err(lost),
        };
        if outcome == EngineOutcome::Stopped
            && let Some(server) = &mut self.server
            && server.report_stop(&mut self.engine).is_err()
        {
            self.disconnect();
        }
        Ok(())
    }

    /// Takes what gdb has sent.
    fn receive(&mut self) {
        let mut buffer = [0; 64];
        for &byte in Uart::receive(&mut buffer) {
            if let Some(greeting) = self.greetings.push(byte) {
                // The last client has gone without a word. What it has armed goes, too; the guest stays as
                // it is.
                self.engine.remove_all(Owner::DEBUGGER);
                self.connect();
                self.feed(greeting);
                continue;
            }
            if self.server.is_none() && byte == b'$' {
                self.connect();
            }
            self.feed(&[byte]);
        }
    }

    /// Hands bytes to the server.
    fn feed(&mut self, bytes: &[u8]) {
        let Some(server) = &mut self.server else { return };
        match server.receive(&mut self.engine, bytes) {
            Ok(Status::Closed(closed)) => {
                defmt::info!("gdb has gone: {}", closed);
                self.server = None;
                self.greetings = Greetings::default();
            }
            Ok(_) => {}
            Err(_) => self.disconnect(),
        }
    }

    /// Begins a session: the guest is halted.
    fn connect(&mut self) {
        let place = &raw mut DEBUG_PACKET;
        // SAFETY: only the core of the debugged guest is here, and the server that had it before is gone.
        let packet = unsafe { &mut *place };
        match GdbServer::new(&mut self.engine, Uart, packet) {
            Ok(server) => self.server = Some(server),
            Err(_) => self.disconnect(),
        }
    }

    /// Ends a session that broke down; the guest runs, with nothing armed.
    fn disconnect(&mut self) {
        defmt::warn!("gdb's session broke down");
        self.server = None;
        self.greetings = Greetings::default();
        let _ = self.engine.detach(Owner::DEBUGGER);
    }
}

/// Waits until an interrupt is pending; it is not taken.
fn wait_for_interrupt() {
    // SAFETY: waits.
    unsafe { core::arch::asm!("wfi", options(nomem, nostack, preserves_flags)) };
}
