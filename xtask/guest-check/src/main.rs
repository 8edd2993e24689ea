//! PID 1 of the Linux guest of `cargo xtask check-linux`: uses the guest's own debug hardware, and gives a
//! debugger something to look at.
//!
//! It tells on the console how far it is, and waits at gates that the debugger opens: at each it calls
//! `getpgid` with the address of the gate until that holds another value than 0. Behind the last gate it
//! restarts the machine; without gates it switches it off. With `symbols` it only compares the kernel's symbols.

#[cfg(target_arch = "aarch64")]
mod breakpoint;
#[cfg(target_arch = "aarch64")]
mod calls;
#[cfg(target_arch = "aarch64")]
mod instruction;
#[cfg(target_arch = "aarch64")]
mod probe;
#[cfg(target_arch = "aarch64")]
mod symbols;
#[cfg(target_arch = "aarch64")]
mod watchpoint;

#[cfg(target_arch = "aarch64")]
fn main() {
    use std::time::Duration;

    let check = |name: &str, result: Result<(), String>| match result {
        Ok(()) => println!("check: {name}: ok"),
        Err(error) => println!("check: {name}: FAILED: {error}"),
    };
    let symbols = || {
        let moved = symbols::check();
        if let Ok(moved) = moved {
            println!("check: moved by {moved:#x}");
        }
        check("symbols", moved.map(drop));
    };
    let all = || {
        check("own BRK", instruction::check());
        check("own breakpoint", breakpoint::check());
        check("own watchpoint", watchpoint::check());
        check("own kprobe", probe::check());
    };
    let armed = || {
        check("own BRK", instruction::check());
        check("own kprobe", probe::check());
    };
    if std::env::args().any(|argument| argument == "symbols") {
        return symbols();
    }
    println!("check: {} processors", std::thread::available_parallelism().map_or(0, usize::from));
    all();
    symbols();
    println!("check: gates follow");
    // Whether somebody is there to open gates is on the command line.
    if std::env::args().any(|argument| argument == "gates") {
        calls::gate();
        armed();
        calls::on_each_processor(calls::ask);
        calls::gate();
        calls::on_each_processor(calls::fork);
        calls::gate();
        std::thread::sleep(Duration::from_secs(1));
        all();
        println!("check: done");
        calls::restart();
    }
    println!("check: done");
    calls::switch_off();
}

#[cfg(not(target_arch = "aarch64"))]
fn main() {
    println!("this program is for guests of arm64");
}
