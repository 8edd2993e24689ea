//! The calls, and what comes of them.

use std::fmt::Display;
use std::time::Duration;

use trapline_core::target::Register;
use trapline_core::watchpoint::Access;
use trapline_probe::session::{Core, CoreStatus, Error, Host, Result, Session};

/// Where memory begins, and with it the program.
pub(crate) const START: u64 = 0x4000_0000;
/// It counts in X1, stores the count where X2 says, and loads it again.
pub(crate) const PROGRAM: [u32; 9] = [
    0xd538_00a0, // mrs x0, mpidr_el1
    0x9240_1c00, // and x0, x0, #0xff
    0xd2a8_0022, // mov x2, #0x40010000
    0x8b00_0c42, // add x2, x2, x0, lsl #3
    0xd280_0001, // mov x1, #0
    0x9100_0421, // add x1, x1, #1
    0xf900_0041, // str x1, [x2]
    0xf940_0043, // ldr x3, [x2]
    0x17ff_fffd, // b to the add
];
const STORE: u64 = START + 0x18;
const COUNTER: u64 = 0x4001_0000;
/// Memory that the program leaves alone, and an address where nothing is.
const DATA: u64 = 0x4001_1001;
const NOWHERE: u64 = 0x1000_0000;

/// How long a stop may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long nothing is waited for.
const MOMENT: Duration = Duration::from_millis(50);

/// A call, and what came of it.
pub(crate) type Outcome = (&'static str, String);

/// What has come of the calls so far.
struct Outcomes(Vec<Outcome>);

impl Outcomes {
    fn add(&mut self, call: &'static str, outcome: impl Display) {
        self.0.push((call, outcome.to_string()));
    }

    /// Runs to the next stop, and notes the reason, the program counter and the count.
    fn run<H: Host>(&mut self, call: &'static str, core: &mut Core<'_, H>) {
        core.run().unwrap();
        core.wait_for_core_halted(PATIENCE).unwrap();
        self.stop(call, core);
    }

    fn stop<H: Host>(&mut self, call: &'static str, core: &mut Core<'_, H>) {
        let CoreStatus::Halted(reason) = core.status().unwrap() else { panic!("it is not halted") };
        let [pc, count] =
            [Register::Pc, Register::X(1)].map(|register| core.read_core_reg(register).unwrap());
        self.add(call, format!("{reason:x?} at {pc:#x}, count {count}"));
    }
}

/// The error of something that must fail: its kind, and its words.
fn refused<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => {
            let kind = match &error {
                Error::Refused(_) => "refused",
                Error::NotInserted(_) => "not inserted",
                Error::Memory(_) => "memory",
                Error::Timeout => "timeout",
                _ => "other",
            };
            format!("{kind}: {error}")
        }
    }
}

/// The comparators that are free, of both kinds.
fn free<H: Host>(core: &mut Core<'_, H>) -> [u32; 2] {
    [core.available_breakpoint_units().unwrap(), core.available_watchpoint_units().unwrap()]
}

/// How many of both kinds are taken, where so many were free.
fn taken<H: Host>(core: &mut Core<'_, H>, all: [u32; 2]) -> String {
    let [breakpoints, watchpoints] = free(core);
    format!("{} and {} units", all[0] - breakpoints, all[1] - watchpoints)
}

/// Everything that a session has, but its end.
pub(crate) fn use_once<H: Host>(session: &mut Session<H>) -> Vec<Outcome> {
    let mut said = Outcomes(Vec::new());
    said.add("list_cores", format!("{:?}", session.list_cores().unwrap()));
    said.add("core", refused(session.core(2)));

    let mut core = session.core(0).unwrap();
    core.halt().unwrap();
    let status = core.status().unwrap();
    said.add("halt", format!("{status:?}, halted {}", core.core_halted().unwrap()));

    for number in 0..31 {
        core.write_core_reg(Register::X(number), 0x1111 << number).unwrap();
    }
    core.write_core_reg(Register::Pc, START).unwrap();
    let same = (0..31).all(|number| core.read_core_reg(Register::X(number)).unwrap() == 0x1111 << number);
    let pstate = core.read_core_reg(Register::Pstate).unwrap();
    said.add("registers", format!("X0 to X30 kept: {same}, PSTATE {pstate:#x}"));
    said.add("no register", refused(core.read_core_reg(Register::X(31))));

    let bytes: Vec<u8> = (1..=27).collect();
    core.write(DATA, &bytes).unwrap();
    let mut read = [0xff; 29];
    core.read(DATA - 1, &mut read).unwrap();
    said.add("memory", format!("{:x?}", &read));
    said.add("no memory", refused(core.read(NOWHERE, &mut read)));
    said.add("no memory", refused(core.write(NOWHERE, &bytes)));

    for _ in 0..5 {
        core.step().unwrap();
    }
    said.stop("step", &mut core);

    let all = free(&mut core);
    core.set_hw_breakpoint(STORE).unwrap();
    said.add("set_hw_breakpoint", taken(&mut core, all));
    said.run("run to it", &mut core);
    said.run("run past it", &mut core);
    said.add("step", format!("{:#x}", core.step().unwrap().pc));
    core.clear_hw_breakpoint(STORE).unwrap();
    said.add("clear_hw_breakpoint", taken(&mut core, all));
    said.add("clear_hw_breakpoint", refused(core.clear_hw_breakpoint(STORE)));
    said.add("set_hw_breakpoint", refused(core.set_hw_breakpoint(STORE + 2)));

    for (call, address, length, access) in [
        ("watch 6 bytes across a doubleword", COUNTER - 3, 6, Access::ReadWrite),
        ("watch reads of a byte", COUNTER + 7, 1, Access::Read),
        ("watch writes of a word", COUNTER + 4, 4, Access::Write),
        ("watch a page", COUNTER, 0x1000, Access::Write),
    ] {
        core.set_watchpoint(address, length, access).unwrap();
        said.add("set_watchpoint", taken(&mut core, all));
        said.run(call, &mut core);
        core.clear_watchpoint(address, length, access).unwrap();
    }
    said.add("set_watchpoint", refused(core.set_watchpoint(COUNTER, 0, Access::Write)));
    said.add("clear_watchpoint", refused(core.clear_watchpoint(COUNTER, 8, Access::Write)));
    said.add("beside it", {
        core.set_watchpoint(COUNTER + 8, 8, Access::ReadWrite).unwrap();
        core.run().unwrap();
        refused(core.wait_for_core_halted(MOMENT))
    });
    said.add("while it runs", format!("{:?}", core.status().unwrap()));
    said.add("while it runs", refused(core.read_core_reg(Register::Pc)));
    core.halt().unwrap();
    said.add("clear_all_hw_breakpoints", {
        session.clear_all_hw_breakpoints().unwrap();
        taken(&mut session.core(0).unwrap(), all)
    });

    // What is armed at the end is nobody's concern.
    let mut core = session.core(0).unwrap();
    core.set_hw_breakpoint(STORE).unwrap();
    core.set_watchpoint(COUNTER, 8, Access::ReadWrite).unwrap();
    said.0
}

/// What the next session finds after the first one has ended.
pub(crate) fn use_again<H: Host>(session: &mut Session<H>) -> Vec<Outcome> {
    let mut said = Outcomes(Vec::new());
    let mut core = session.core(0).unwrap();
    let mut count = || {
        core.halt().unwrap();
        let count = core.read_core_reg(Register::X(1)).unwrap();
        core.run().unwrap();
        let runs = refused(core.wait_for_core_halted(MOMENT));
        (count, runs)
    };
    let (first, runs) = count();
    said.add("detach", format!("it runs on: {runs}"));
    let (second, _) = count();
    said.add("detach", format!("it counts on: {}", second > first));
    session.core(0).unwrap().halt().unwrap();
    said.0
}

/// What has to come of it.
pub(crate) const EXPECTED: [(&str, &str); 32] = [
    ("list_cores", "[0, 1]"),
    ("core", "refused: there is no core 2"),
    ("halt", "Halted(Request), halted true"),
    ("registers", "X0 to X30 kept: true, PSTATE 0x3c5"),
    ("no register", "refused: the target has no register X31"),
    (
        "memory",
        "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 1a, 1b, 0]",
    ),
    ("no memory", "refused: physical addresses 0x10000000..=0x1000001c are not all memory"),
    ("no memory", "refused: physical addresses 0x10000000..=0x10000000 are not all memory"),
    ("step", "Step at 0x40000014, count 0"),
    ("set_hw_breakpoint", "1 and 0 units"),
    ("run to it", "HardwareBreakpoint at 0x40000018, count 1"),
    ("run past it", "HardwareBreakpoint at 0x40000018, count 2"),
    ("step", "0x4000001c"),
    ("clear_hw_breakpoint", "0 and 0 units"),
    ("clear_hw_breakpoint", "not inserted: no such request is reserved by this owner"),
    ("set_hw_breakpoint", "not inserted: no A64 instruction begins at 0x4000001a; give a multiple of 4"),
    ("set_watchpoint", "0 and 2 units"),
    ("watch 6 bytes across a doubleword", "Watchpoint(40010000) at 0x4000001c, count 2"),
    ("set_watchpoint", "0 and 1 units"),
    ("watch reads of a byte", "Watchpoint(40010007) at 0x4000001c, count 3"),
    ("set_watchpoint", "0 and 1 units"),
    ("watch writes of a word", "Watchpoint(40010004) at 0x40000018, count 4"),
    ("set_watchpoint", "0 and 1 units"),
    ("watch a page", "Watchpoint(40010000) at 0x40000018, count 5"),
    ("set_watchpoint", "not inserted: the range at 0x40010000 is 0 bytes long"),
    ("clear_watchpoint", "not inserted: no such request is reserved by this owner"),
    ("beside it", "timeout: the core has not halted in time"),
    ("while it runs", "Running"),
    ("while it runs", "refused: core 0 is running; halt it first"),
    ("clear_all_hw_breakpoints", "0 and 0 units"),
    ("detach", "it runs on: timeout: the core has not halted in time"),
    ("detach", "it counts on: true"),
];
