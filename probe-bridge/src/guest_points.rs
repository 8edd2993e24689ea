//! The command line's points on a guest: who is told of a hit, and what happens then.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use anyhow::Result;
use trapline_core::debugger::Outcome;
use trapline_core::stop::Stop;
use trapline_core::target::TargetError;
use trapline_kvm::gdb_server::{End, Notifier};
use trapline_kvm::kernel_image::unpack;
use trapline_kvm::{Notice, Observer};
use trapline_probe::linux::elf;
use trapline_probe::linux::image::KernelImage;
use trapline_probe::linux::symbols::SymbolTable;

use crate::guest::GuestDebugger;
use crate::points::{Carried, PointOptions, Points, Tracer};

/// The points of one guest.
pub(crate) struct GuestPoints {
    points: Mutex<Option<Points>>,
    tracer: OnceLock<Tracer>,
    options: PointOptions,
    /// Set when the guest has it; it is the guest's.
    debugger: OnceLock<Weak<Mutex<GuestDebugger>>>,
    notifier: Arc<Notifier>,
    /// Whether there is no client that a stop could be for.
    alone: bool,
}

impl GuestPoints {
    /// The points of the options, none where there are none. `alone` says that no client will come.
    pub(crate) fn new(
        points: Option<Points>,
        options: &PointOptions,
        notifier: &Arc<Notifier>,
        alone: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            points: Mutex::new(points),
            tracer: OnceLock::new(),
            options: options.clone(),
            debugger: OnceLock::new(),
            notifier: Arc::clone(notifier),
            alone,
        })
    }

    /// Arms the points on a guest that does not run yet.
    ///
    /// # Errors
    /// Where one is refused.
    pub(crate) fn arm(&self, debugger: &Arc<Mutex<GuestDebugger>>) -> Result<()> {
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut points) = points else { return Ok(()) };
        points.arm(&mut *lock(debugger))?;
        self.tracer.get_or_init(|| Tracer::new(points, &self.options, Box::new(io::stdout())));
        self.debugger.get_or_init(|| Arc::downgrade(debugger));
        Ok(())
    }

    /// For the vCPUs' threads: tells of hits, and hands the rest on to the notifier.
    pub(crate) fn observer(self: &Arc<Self>) -> Observer {
        let points = Arc::clone(self);
        let others = self.notifier.observer();
        Arc::new(move |notice| match notice {
            Notice::Waiting(stop) => {
                if let Some(notice) = points.waiting(&stop) {
                    others(notice);
                }
            }
            Notice::Stopped { core } => {
                points.stopped();
                others(Notice::Stopped { core });
            }
            notice => others(notice),
        })
    }

    /// A core waits at a point: it is told of, and goes on.
    fn waiting(&self, stop: &Stop) -> Option<Notice> {
        let debugger = self.debugger.get()?.upgrade()?;
        let mut debugger = lock(&debugger);
        if self.tell(&mut debugger, stop) {
            return None;
        }
        let core = stop.core;
        match debugger.go_on(core) {
            Ok(Outcome::Resumed) => None,
            Ok(Outcome::Stopped) => Some(Notice::Stopped { core }),
            Ok(Outcome::Waiting(stop)) => Some(Notice::Waiting(stop)),
            Err(error) => Some(Notice::HandlerFailed { core, error: error.into() }),
        }
    }

    /// All cores have stopped. Where that was for a point and nobody else is there, it is the end.
    fn stopped(&self) {
        let Some(debugger) = self.debugger.get().and_then(Weak::upgrade) else { return };
        let mut debugger = lock(&debugger);
        let Some(stop) = debugger.stop() else { return };
        if !self.tell(&mut debugger, &stop) && self.alone {
            self.notifier.finish(End::Done);
        }
    }

    /// Tells of the hits of a stop; true where that ends everything.
    fn tell(&self, debugger: &mut GuestDebugger, stop: &Stop) -> bool {
        let Some(tracer) = self.tracer.get() else { return false };
        let time = virtual_time(debugger, stop).ok();
        match tracer.tell(debugger, stop, time) {
            Ok(false) => false,
            Ok(true) => {
                self.notifier.finish(End::Done);
                true
            }
            Err(error) => {
                self.notifier.finish(End::Output(error));
                true
            }
        }
    }

    /// Says what there was in all. The guest must have ended.
    ///
    /// # Errors
    /// Where nobody takes it.
    pub(crate) fn summarise(&self) -> io::Result<()> {
        self.tracer.get().map_or(Ok(()), Tracer::summarise)
    }
}

/// The guest's own time where a core of it stands.
fn virtual_time(debugger: &GuestDebugger, stop: &Stop) -> Result<Duration, TargetError<trapline_kvm::Error>> {
    debugger.target().virtual_time(stop.core)
}

/// A panic of another vCPU's thread is told of by the debugger's own users.
fn lock(debugger: &Mutex<GuestDebugger>) -> MutexGuard<'_, GuestDebugger> {
    debugger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a point cannot be set by name in a kernel that moves.
const MOVES: &str = "this kernel moves itself as it boots (KASLR), so that no symbol's address is known before; put \
    nokaslr on --cmdline, or set the point from gdb once 'monitor kaslr' says how far it has moved";

/// What a kernel says of its symbols: an ELF file is itself one; a Linux kernel carries those of the addresses that it
/// was linked for, where it stays only with `nokaslr` on its command line.
pub(crate) fn carried(kernel: &[u8], command_line: &str) -> Carried {
    /// No kernel is larger once it is unpacked, in bytes.
    const LARGEST: u64 = 512 << 20;
    if kernel.starts_with(b"\x7fELF") {
        return Carried { symbols: Some(kernel.to_vec()), unplaced: None };
    }
    let Ok(unpacked) = unpack(kernel, LARGEST) else { return Carried::default() };
    let Ok(image) = KernelImage::new(&unpacked) else { return Carried::default() };
    let symbols = SymbolTable::read(&image);
    // Where there are none nobody knows, but that all distributions' kernels do.
    let can_move = symbols.as_ref().map_or(image.banner().is_some(), SymbolTable::can_move);
    let stays = command_line.split_ascii_whitespace().any(|word| word == "nokaslr");
    let symbols = symbols.ok().and_then(|symbols| elf::write(&symbols, &[], 0).ok());
    Carried { symbols, unplaced: (can_move && !stays).then_some(MOVES) }
}
