//! From the options to requests of the engine.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{Debugger, InsertError, Options, Request, Then, ValueCondition};
use trapline_core::pool::Owner;
use trapline_core::target::{CoreId, Profile, Target, TargetError};
use trapline_core::watchpoint::{Access, Watchpoint};
use trapline_probe::expression;
use trapline_probe::file;

use super::options::{OnStop, PointOptions};
use trapline_probe::places::Symbols;
use trapline_probe::places::{Asked, BreakPoint, WatchPoint};

/// How many bytes are watched where nothing says how many.
const LENGTH: u64 = 8;

/// The points of a command line, with what their names stand for.
pub(crate) struct Points {
    pub(super) points: Vec<Point>,
    pub(super) symbols: Symbols,
    then: Then,
}

/// What the file of a target says of its symbols.
#[derive(Default)]
pub(crate) struct Carried {
    /// An ELF file that has them.
    pub(crate) symbols: Option<Vec<u8>>,
    /// Why the target will not be where they say.
    pub(crate) unplaced: Option<&'static str>,
}

/// One point.
pub(super) struct Point {
    /// As it was written.
    pub(super) text: String,
    place: Place,
    condition: Option<Vec<u8>>,
    /// As what it stands in the engine.
    pub(super) request: Option<Request>,
    /// How often it was hit.
    pub(super) hits: u64,
}

/// What it traps.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// With the instruction set, where the symbols say it.
    Code(u64, Option<Instruction>),
    Data(AddressRange, Access, Asked),
}

impl Points {
    /// The points of `options`, where there are any; `carried` answers what the target's own file has.
    ///
    /// # Errors
    /// Where a place is not there, or an expression is none.
    pub(crate) fn new(options: &PointOptions, carried: impl FnOnce() -> Carried) -> Result<Option<Self>> {
        if options.breaks.is_empty() && options.watches.is_empty() {
            return Ok(None);
        }
        let carried = carried();
        let symbols = match (&options.symbols, carried.symbols) {
            (Some(path), _) => read(path)?,
            (None, symbols) => symbols.map_or_else(|| Ok(Symbols::none()), |file| Symbols::read(&file))?,
        };
        let symbols = symbols.unplaced(carried.unplaced);
        let breaks = options.breaks.iter().map(|point| Point::at_code(point, &symbols));
        let watches = options.watches.iter().map(|point| Point::at_data(point, &symbols));
        let points = breaks.chain(watches).collect::<Result<Vec<_>>>()?;
        let then = match options.on_stop {
            OnStop::Stop => Then::Stop,
            OnStop::Log => Then::Wait,
        };
        Ok(Some(Self { points, symbols, then }))
    }

    /// Inserts all points; what each takes is told on standard error. Breakpoints take comparators as long as
    /// there are some: those do not depend on memory that is still to be mapped or loaded.
    ///
    /// # Errors
    /// Where one is refused, or the target is lost.
    pub(crate) fn arm<T, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
        &mut self,
        debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    ) -> Result<()>
    where
        T: Target<Error: Send + Sync + 'static>,
    {
        for point in &mut self.points {
            let conditions: Vec<&[u8]> = point.condition.as_deref().into_iter().collect();
            let value = match point.place {
                Place::Code(..) => ValueCondition::Before,
                Place::Data(_, _, Asked::Any) => ValueCondition::After,
                Place::Data(_, _, Asked::Changed) => ValueCondition::Changed,
                Place::Data(_, _, Asked::Equals(value)) => ValueCondition::Equals(value),
            };
            let options = Options {
                conditions: &conditions,
                value,
                then: self.then,
                pages: true,
                ..Options::default()
            };
            let (request, kind) =
                insert(debugger, point.place, &options).with_context(|| format!("'{}'", point.text))?;
            say!("{}: {kind}", point.text);
            point.request = Some(request);
        }
        Ok(())
    }
}

/// Reads a file with symbols.
fn read(path: &Path) -> Result<Symbols> {
    let name = path.display();
    let bytes = file::read(path, file::LARGEST_PROGRAM).with_context(|| format!("--symbols {name}"))?;
    Symbols::read(&bytes).with_context(|| format!("--symbols {name}"))
}

impl Point {
    fn at_code(point: &BreakPoint, symbols: &Symbols) -> Result<Self> {
        let found = symbols.find(&point.location).with_context(|| format!("--break '{}'", point.text))?;
        // As everywhere in 32-bit code, bit 0 of an address says that it is T32.
        let (address, set) = match symbols.is_arm() && !found.address.is_multiple_of(2) {
            true => (found.address & !1, Some(Instruction::T32)),
            false => (found.address, symbols.instruction_set(found.address)),
        };
        if !address.is_multiple_of(2) {
            bail!("--break '{}': {address:#x} is no address of an instruction", point.text);
        }
        Ok(Self {
            text: point.text.clone(),
            place: Place::Code(address, set),
            condition: condition(point.condition.as_deref(), symbols)
                .with_context(|| format!("--break '{}'", point.text))?,
            request: None,
            hits: 0,
        })
    }

    fn at_data(point: &WatchPoint, symbols: &Symbols) -> Result<Self> {
        let context = || format!("--watch '{}'", point.text);
        let found = symbols.find(&point.location).with_context(context)?;
        let length = point.length.or(found.size).unwrap_or(LENGTH);
        let range = AddressRange::new(found.address, length).map_err(|error| anyhow!("{error}"));
        Ok(Self {
            text: point.text.clone(),
            place: Place::Data(range.with_context(context)?, point.access, point.asked),
            condition: condition(point.condition.as_deref(), symbols).with_context(context)?,
            request: None,
            hits: 0,
        })
    }
}

fn condition(text: Option<&str>, symbols: &Symbols) -> Result<Option<Vec<u8>>> {
    let address = |name: &str| Ok(symbols.find_symbol(name)?.address);
    let compile = |text| expression::compile(text, symbols.is_arm(), &address);
    text.map(|text| compile(text).with_context(|| format!("if {text}"))).transpose()
}

/// Inserts one point by the first way that serves it; says which one.
fn insert<T, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
    debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
    place: Place,
    options: &Options<'_>,
) -> Result<(Request, String)>
where
    T: Target<Error: Send + Sync + 'static>,
{
    let scope = debugger.target().scope();
    match place {
        Place::Code(address, set) => {
            let instruction = match debugger.target().profile() {
                Profile::M(_) => Instruction::T32,
                _ if !is_aarch32(debugger)? => Instruction::A64,
                // Where nothing else says it, an address at which no A32 instruction can be is one of T32.
                _ if address.is_multiple_of(4) => set.unwrap_or(Instruction::A32),
                _ => Instruction::T32,
            };
            let hardware = Request::Breakpoint(Breakpoint::at(address, instruction, scope)?);
            match debugger.insert_with(CoreId(0), hardware, Owner::HOST, options) {
                Ok(()) => Ok((hardware, format!("hardware breakpoint at {address:#x}"))),
                Err(InsertError::Pool(_)) => {
                    let software = Request::Software { address, instruction };
                    told(debugger.insert_with(CoreId(0), software, Owner::HOST, options))?;
                    Ok((software, format!("software breakpoint at {address:#x}, no comparator is left")))
                }
                Err(error) => told(Err(error)).map(|()| (hardware, String::new())),
            }
        }
        Place::Data(range, access, _) => {
            let watchpoint = Request::Watchpoint(Watchpoint::new(range, access, scope));
            let free = debugger.watchpoints().free();
            told(debugger.insert_with(CoreId(0), watchpoint, Owner::HOST, options))?;
            let kind = match free - debugger.watchpoints().free() {
                0 => "by pages that trap writes, for the comparators do not suffice".to_owned(),
                1 => "1 watchpoint comparator".to_owned(),
                taken => format!("{taken} watchpoint comparators"),
            };
            Ok((watchpoint, format!("{access} of {range}, {kind}")))
        }
    }
}

/// Whether the target's EL1 uses AArch32.
fn is_aarch32<T, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>(
    debugger: &mut Debugger<T, CORES, SOFTWARE, BYTECODE>,
) -> Result<bool>
where
    T: Target<Error: Send + Sync + 'static>,
{
    match debugger.target_mut().el1_uses_aarch32(CoreId(0)) {
        Ok(uses) => Ok(uses),
        Err(TargetError::Refused(_)) => Ok(false),
        Err(TargetError::Lost(error)) => Err(anyhow::Error::new(error)),
    }
}

/// A refusal or a loss with its cause.
fn told<E: std::error::Error + Send + Sync + 'static>(result: Result<(), InsertError<E>>) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(InsertError::Target(TargetError::Lost(error))) => Err(anyhow::Error::new(error)),
        Err(error) => Err(anyhow!("{error}")),
    }
}
