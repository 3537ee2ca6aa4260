//! A program of others that listens on a port of 127.0.0.1.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// After so long it will not listen any more.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// A port that was free a moment ago may be somebody's by the time that the program asks for it.
const PORTS_TRIED: usize = 5;

/// A program that runs until this is dropped.
pub(crate) struct Service {
    process: Child,
    pub(crate) port: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Service {
    /// Starts what `command` makes for a port, and waits until it listens there.
    pub(crate) fn start(command: impl Fn(u16) -> Command) -> Self {
        let mut last = String::new();
        for _ in 0..PORTS_TRIED {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = command(port);
            let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut service = Self { process, port };
            match service.listens() {
                Ok(()) => return service,
                Err(why) => last = format!("{command:?} {why}"),
            }
        }
        panic!("{last}")
    }

    fn listens(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return Err(format!("ended before it listened: {status}"));
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                // Whoever answers must be the program: one that found its port taken ends.
                thread::sleep(Duration::from_millis(200));
                return match self.process.try_wait().unwrap() {
                    Some(status) => Err(format!("ended, its port is another's: {status}")),
                    None => Ok(()),
                };
            }
            if begun.elapsed() > STARTS_WITHIN {
                return Err("does not listen".to_owned());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}
