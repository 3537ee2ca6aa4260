//! The `headwater` binary: reads the process's arguments, environment and signals, and hands them on.
//!
//! The only file that looks at the environment.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use headwater::cli::{self, Cli};
use headwater::project::Environment;
use headwater::run::Stop;

/// Exit code after SIGINT.
const INTERRUPTED: u8 = 130;

/// Exit code after SIGTERM.
const TERMINATED: u8 = 143;

/// How many heaps glibc keeps.
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// A run that was asked to stop has this long to finish what is in flight.
const GRACE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    with_one_arena();
    let cli = Cli::parse();
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let variable = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let user = process_user().or_else(|| variable("USER")).or_else(|| variable("USERNAME")).unwrap_or_default();
    let folder = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    let environment = Environment::new(variables, folder, user).with_program(program);

    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::cannot_start(&error),
    };
    let stop = Stop::new();
    let code = runtime.block_on(async {
        tokio::select! {
            code = cli::execute(cli, environment, stop.clone()) => code,
            code = interrupted(&stop) => code,
        }
    });
    // What is still in flight was asked to end twice, or is a file that nobody will read.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Starts the program anew with one heap for all threads, unless somebody chose otherwise.
///
/// glibc gives threads heaps of their own and each keeps what it freed: with batches that are filled on one thread and freed on another,
/// a run then holds nearly twice the memory that it uses. The number of heaps can be set only before a process begins
/// (<https://man7.org/linux/man-pages/man3/mallopt.3.html>, `MALLOC_ARENA_MAX`), so the program replaces itself, once; process id and
/// open files stay. Where that cannot be, it goes on as it is.
fn with_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::os::unix::process::CommandExt;
        if std::env::var_os(ARENAS).is_some() {
            return;
        }
        let Ok(program) = std::env::current_exe() else { return };
        let mut arguments = std::env::args_os();
        let mut again = std::process::Command::new(program);
        if let Some(name) = arguments.next() {
            again.arg0(name);
        }
        // Returns only when the system refuses, and then nothing has changed.
        drop(again.args(arguments).env(ARENAS, "1").exec());
    }
}

/// The name of the user that the process runs as; roles hang on it, so a variable that anybody can set comes only second.
///
/// On Linux the owner of `/proc/self` is the process's user. Elsewhere, `None`.
fn process_user() -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
        let users = std::fs::read("/etc/passwd").ok()?;
        let named = String::from_utf8_lossy(&users)
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find_map(|fields| (fields.get(2) == Some(&uid.as_str())).then(|| fields.first().map(ToString::to_string)))
            .flatten();
        Some(named.unwrap_or(uid))
    }
    #[cfg(not(unix))]
    None
}

/// Returns when the process must end: at the second signal, when the grace is over, or at the first if nobody heeds it.
async fn interrupted(stop: &Stop) -> u8 {
    let code = signal().await;
    stop.ask(code);
    if !stop.is_heeded() {
        return code;
    }
    tokio::select! {
        _second = signal() => code,
        () = tokio::time::sleep(GRACE) => code,
    }
}

#[cfg(unix)]
async fn signal() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _asked = tokio::signal::ctrl_c() => INTERRUPTED,
        _asked = terminate.recv() => TERMINATED,
    }
}

#[cfg(not(unix))]
async fn signal() -> u8 {
    let _asked = tokio::signal::ctrl_c().await;
    INTERRUPTED
}
