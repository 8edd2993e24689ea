//! The project's own commands: `cargo xtask COMMAND`. Parsing and dispatch only; one file a command.

mod bench;
mod check_aarch32;
mod check_board;
mod check_faults;
mod check_linux;
mod check_points;
mod check_simulator;
mod check_symbols;
mod clients;
mod core_image;
mod demo;
mod dependencies;
mod environment;
mod fuzz;
mod host;
mod in_host;
#[cfg(test)]
mod inventory;
mod run_board;
mod run_guest;
mod run_hypervisor;
mod session_options;
mod setup;
mod simulator;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What `main` answers when the command itself could not be carried out.
const FAILED: u8 = 1;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Builds, runs and tests Trapline")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    RunGuest(run_guest::Options),
    RunBoard(run_board::Options),
    RunHypervisor(run_hypervisor::Options),
    Bench(bench::Options),
    Test(test::Options),
    CheckAarch32(check_aarch32::Options),
    CheckPoints(check_points::Options),
    CheckBoard(check_board::Options),
    CheckFaults(check_faults::Options),
    CheckLinux(check_linux::Options),
    CheckSimulator(check_simulator::Options),
    CheckSymbols(check_symbols::Options),
    CoreImage(core_image::Options),
    Demo(demo::Options),
    Dependencies(dependencies::Options),
    Fuzz(fuzz::Options),
    InHost(in_host::Options),
    #[command(hide = true)]
    Tethered(host::tether::Options),
}

fn main() -> ExitCode {
    let (outcome, failed) = match CommandLine::parse_from(run_guest::arranged(std::env::args_os())).command {
        Command::RunGuest(options) => (run_guest::run(options), FAILED),
        Command::RunBoard(options) => (run_board::run(&options), FAILED),
        Command::RunHypervisor(options) => (run_hypervisor::run(&options), FAILED),
        Command::Bench(options) => (bench::run(options), FAILED),
        Command::CheckFaults(options) => (check_faults::run(options), FAILED),
        Command::CheckLinux(options) => (check_linux::run(options), FAILED),
        Command::CheckSimulator(options) => (check_simulator::run(&options), FAILED),
        Command::CheckBoard(options) => (check_board::run(&options), FAILED),
        Command::CheckSymbols(options) => (check_symbols::run(&options), FAILED),
        Command::CheckAarch32(options) => (check_aarch32::run(options), FAILED),
        Command::CheckPoints(options) => (check_points::run(options), FAILED),
        Command::CoreImage(options) => (core_image::run(&options), FAILED),
        Command::Demo(options) => (demo::command(options), FAILED),
        Command::Dependencies(options) => (dependencies::run(&options), FAILED),
        Command::Fuzz(options) => (fuzz::run(&options), FAILED),
        Command::InHost(options) => (in_host::run(options), in_host::FAILED),
        Command::Test(options) => (test::run(&options), FAILED),
        Command::Tethered(options) => (host::tether::run(options), FAILED),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(failed)
    })
}
