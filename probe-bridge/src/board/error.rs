//! Why a board is lost, or cannot be debugged at all.

use trapline_core::target::CoreId;

/// What ends a session with a board, or does not let it begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// The probe does not answer, or the target does not answer the probe.
    #[error("the probe or its target does not answer: {}", told(.0))]
    Probe(probe_rs::Error),
    /// Attaching has failed before anything of the chip was known.
    #[error(
        "{}; is --chip what is on the board, has the board power, and does no other tool hold the probe?", told(.0)
    )]
    Attach(probe_rs::Error),
    /// An access port leads to no memory.
    #[error(
        "access port {number} leads to no memory (its IDR reads {identity:#x}); leave --memory-ap out, or write core"
    )]
    NoMemoryPort {
        /// The access port.
        number: u8,
        /// What it says it is.
        identity: u32,
    },
    /// The probe's driver has failed by itself, in somebody else's code. The session is lost with it.
    #[error(
        "the driver of the probe has failed ({0}), which is a defect of the driver; what was armed is cleared at the \
         next attach"
    )]
    Driver(String),
    /// A bus of the board answered with an error. The session goes on where this can be said of one request.
    #[error("the board's bus answers an access to {address:#x} with an error")]
    Fault {
        /// The address on the bus of the access port.
        address: u64,
    },
    /// Something that takes a core microseconds has not happened.
    #[error("{core} does not {what}; is its clock running, and is no other tool on the probe?")]
    Timeout {
        /// The core.
        core: CoreId,
        /// What it was to do.
        what: &'static str,
    },
    /// The chip does not let itself be debugged.
    #[error("{core} does not allow external debug ({register} is {value:#x}); unlock the chip first")]
    Locked {
        /// The core.
        core: CoreId,
        /// The register that says so.
        register: &'static str,
        /// What it reads.
        value: u32,
    },
    /// A core's debug registers answer with errors.
    #[error(
        "{core} answers no access to its debug registers (at {address:#x}); has it power, and is --chip what is on the \
         board?"
    )]
    Silent {
        /// The core.
        core: CoreId,
        /// The first that was asked.
        address: u64,
    },
    /// No core of the chip has power.
    #[error("no core of the chip has power (EDPRSR.PU is 0); power it up, or reset the board")]
    NoPower,
    /// What is at a core's debug address is no debug unit of an Armv8-A core.
    #[error(
        "there is no Armv8-A debug unit at {address:#x} of {core} (EDDEVARCH reads {found:#x}); \
         is --chip what is on the board?"
    )]
    WrongChip {
        /// The core.
        core: CoreId,
        /// The address that the chip's description has.
        address: u64,
        /// What is there.
        found: u32,
    },
    /// What is behind an access port is no Cortex-M core.
    #[error(
        "there is no Cortex-M core behind the access port of {core} (CPUID reads {found:#x}); \
         is --chip what is on the board?"
    )]
    NoCortexM {
        /// The core.
        core: CoreId,
        /// What is there.
        found: u32,
    },
    /// The core's units are of a version that is not known.
    #[error("{register} of {core} reads {value:#x}, a version that this tool does not know")]
    UnknownUnit {
        /// The core.
        core: CoreId,
        /// The register.
        register: &'static str,
        /// What was read.
        value: u32,
    },
    /// Cores of several kinds cannot be armed alike.
    #[error("the Cortex-M cores of this chip are of several kinds, which this tool does not debug together")]
    MixedCores,
    /// The chip's description lacks something, or is not for this tool.
    #[error("the description of chip {chip} {what}")]
    Description {
        /// The chip.
        chip: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl From<probe_rs::Error> for BoardError {
    fn from(error: probe_rs::Error) -> Self {
        Self::Probe(error)
    }
}

/// What an error of probe-rs says, and what it says of its causes, each once.
fn told(error: &probe_rs::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        let text = text.trim_end_matches('.');
        if said.last().is_none_or(|last| last != text) {
            said.push(text.to_owned());
        }
        cause = error.source();
    }
    said.join(": ")
}

/// The result of an operation on a board.
pub type Result<T> = std::result::Result<T, BoardError>;
