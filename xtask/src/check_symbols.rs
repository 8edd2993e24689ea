//! `cargo xtask check-symbols`: the file that is made of what a kernel says about itself, in the hands of those that it
//! is made for.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use object::{Object as _, ObjectSymbol as _};

use crate::{
    run_guest::linux,
    setup::{HostFiles, KernelChoice, Requirement, Setup},
};

/// The program of binutils that says which function an address is in.
const ADDR2LINE: &str = "aarch64-linux-gnu-addr2line";
/// Functions that every kernel has, from its begin to its end.
const FUNCTIONS: [&str; 4] = ["__arm64_sys_getppid", "invoke_syscall", "schedule", "start_kernel"];
/// How far behind a function's begin is looked.
const INSIDE: u64 = 8;

/// Takes the symbols and types out of Debian's kernels and asks gdb, lldb and addr2line about them.
///
/// The exit status is 0 when all gave the right answers.
#[derive(Args)]
pub(crate) struct Options {
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// What is needed.
pub(crate) fn requirements() -> impl Iterator<Item = Requirement> {
    let kernels = kernels().into_iter().map(Requirement::HostFiles);
    [Requirement::GDB, Requirement::LLDB, Requirement::BINUTILS].into_iter().chain(kernels)
}

/// The release's kernel, which has no variables among its symbols, and a newer one, which has.
fn kernels() -> [KernelChoice; 2] {
    [KernelChoice::Release, KernelChoice::Version("6.12".to_owned())]
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    Setup::new(options.no_install).ensure(&requirements().collect::<Vec<_>>())?;
    for choice in kernels() {
        let begun = Instant::now();
        let kernel = HostFiles::find(&choice)?.kernel;
        let file = linux::symbols(&kernel)?.context("the kernel has no symbols")?;
        let functions = functions(&file)?;
        by_gdb(&file, &functions).context("gdb")?;
        by_lldb(&file, &functions).context("lldb")?;
        by_addr2line(&file, &functions).context(ADDR2LINE)?;
        println!("ok {:6.1} s  {}", begun.elapsed().as_secs_f64(), kernel.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The functions and their addresses, as the file's table has them.
fn functions(file: &Path) -> Result<Vec<(&'static str, u64)>> {
    let bytes = fs::read(file)?;
    let object = object::File::parse(&*bytes).context("the file is no ELF file")?;
    let address = |name: &'static str| {
        let mut named = object.symbols().filter(|symbol| symbol.name() == Ok(name));
        let symbol = named.next().with_context(|| format!("there is no {name}"))?;
        ensure!(symbol.size() > INSIDE, "{name} has {} bytes", symbol.size());
        Ok((name, symbol.address()))
    };
    FUNCTIONS.into_iter().map(address).collect()
}

/// Functions, types, and variables with their types.
fn by_gdb(file: &Path, functions: &[(&str, u64)]) -> Result<()> {
    let mut questions = vec![
        ("ptype struct task_struct".to_owned(), "pid_t tgid;".to_owned()),
        ("whatis init_task".to_owned(), "type = struct task_struct".to_owned()),
        ("whatis jiffies".to_owned(), "type = unsigned long".to_owned()),
        ("print sizeof(struct user_pt_regs)".to_owned(), "= 272".to_owned()),
        ("ptype schedule".to_owned(), "type = void (void)".to_owned()),
        ("print sizeof(struct task_struct) > 1024".to_owned(), "= 1".to_owned()),
    ];
    for (name, address) in functions {
        questions.push((format!("print/x (unsigned long)&{name}"), format!("= {address:#x}")));
        questions
            .push((format!("info symbol {}", address + INSIDE), format!("{name} + {INSIDE} in section")));
    }
    let mut gdb = Command::new("gdb-multiarch");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]).arg(file);
    ask(&mut gdb, "-ex", &questions)
}

/// The same of lldb's.
fn by_lldb(file: &Path, functions: &[(&str, u64)]) -> Result<()> {
    let mut questions = vec![("image lookup -t task_struct".to_owned(), "pid_t tgid;".to_owned())];
    for (name, address) in functions {
        let inside = address + INSIDE;
        questions.push((format!("image lookup -a {inside:#x}"), format!("`{name} + {INSIDE}")));
    }
    let mut lldb = Command::new("lldb");
    lldb.args(["--no-lldbinit", "--batch"]).arg(file);
    ask(&mut lldb, "-o", &questions)
}

/// Asks everything in one run, and looks for every answer, in the same order.
fn ask(client: &mut Command, option: &str, questions: &[(String, String)]) -> Result<()> {
    for (question, _) in questions {
        client.args([option, question]);
    }
    let said = output(client)?;
    let mut rest = &*said;
    for (question, answer) in questions {
        let at = rest.find(answer.as_str());
        let at = at.with_context(|| format!("'{question}' is not answered by '{answer}': {said}"))?;
        rest = &rest[at + answer.len()..];
    }
    Ok(())
}

fn by_addr2line(file: &Path, functions: &[(&str, u64)]) -> Result<()> {
    let mut addr2line = Command::new(ADDR2LINE);
    addr2line.args(["--functions", "--exe"]).arg(file);
    addr2line.args(functions.iter().map(|(_, address)| format!("{:#x}", address + INSIDE)));
    let said = output(&mut addr2line)?;
    // A line with the function, and one with the place in the source, of which a kernel says nothing.
    let found: Vec<_> = said.lines().step_by(2).collect();
    let expected: Vec<_> = functions.iter().map(|(name, _)| *name).collect();
    ensure!(found == expected, "{found:?} instead of {expected:?}");
    Ok(())
}

/// What a program says on both outputs.
fn output(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).into_owned())
}
