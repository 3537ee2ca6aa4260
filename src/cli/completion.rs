//! `headwater completion`: the file that makes a shell complete our commands.

use clap::CommandFactory;

use crate::cli::Desk;
use crate::cli::args::Cli;
use crate::cli::failure::Ended;

#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
pub(crate) fn completion(desk: &Desk, shell: clap_complete::Shell) -> Ended {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "headwater", &mut text);
    desk.output.line(String::from_utf8_lossy(&text).trim_end());
    Ok(0)
}
