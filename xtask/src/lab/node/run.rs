//! Calls of other programs, with what they said when they fail.
//! Deliberately absent: shells that put words together; arguments stay arguments.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use crate::lab::{LabError, process};

/// Runs a command to its end and gives what it printed, whatever its code.
pub(crate) fn output(command: &mut Command) -> Result<Output, LabError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| LabError::Spawn { program, source })
}

/// The same, and a code other than 0 is an error that shows the end of what was said.
pub(crate) fn text(command: &mut Command) -> Result<String, LabError> {
    let done = output(command)?;
    printed(&shown(command), &done)
}

/// The same for a command that is given something to read.
pub(crate) fn text_from(
    command: &mut Command,
    source: impl Into<Stdio>,
) -> Result<String, LabError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(source)
        .output()
        .map_err(|source| LabError::Spawn { program, source })?;
    printed(&shown(command), &done)
}

/// The same for a command made by [`process::mortal`], which ends with this process.
pub(crate) fn mortal_text(mut command: Command) -> Result<String, LabError> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let line = shown(&command);
    let done = process::spawn(command)?
        .wait_with_output()
        .map_err(|source| LabError::Spawn {
            program: line.clone(),
            source,
        })?;
    printed(&line, &done)
}

/// What a command printed, or an error that shows how it failed.
fn printed(line: &str, done: &Output) -> Result<String, LabError> {
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = [done.stderr.as_slice(), done.stdout.as_slice()].concat();
    Err(LabError::Command {
        command: line.to_owned(),
        status: done.status.to_string(),
        stderr: tail(&String::from_utf8_lossy(&said), 15),
    })
}

/// A command line for people, short enough to be read.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program()];
    words.extend(command.get_args());
    let line: Vec<_> = words.into_iter().map(OsStr::to_string_lossy).collect();
    let line = line.join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all.get(all.len().saturating_sub(lines)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_command_and_what_it_said() {
        let error = text(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("exit 3") && said.contains("why") && said.contains("exit status: 3"),
            "{said}"
        );
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
    }
}
