//! One node: its layers, its switch, and hands inside it.
//!
//! Its file system is layers that are only read (Debian, k3s, the node's own settings, snapshots) below one that is
//! written. A snapshot makes the written layer a read one, a reset throws the written one away: neither copies.
//! Deliberately absent: what runs on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::ground::Ground;
use super::open::Seat;
use super::run;
use super::switch;
use crate::lab::LabError;
use crate::lab::cache::Programs;
use crate::lab::error::file;
use crate::lab::files::clear;
use crate::lab::parts::CLOCK;
use crate::lab::ready::wait_until;

/// How long systemd and sshd may take; seconds on an idle machine.
const BOOT: Duration = Duration::from_secs(90);
/// How long a clean stop may take: k3s and its datastore go first.
const HALT: Duration = Duration::from_secs(90);

/// How long a script may take, in seconds; the longest that there is waits for a start of k3s.
const SCRIPT: &str = "300";

/// Names the disk that a node was given in its own one's place.
const OTHER_DISK: &str = "disk";

/// Says by how much the node's clock is wrong, and which program sees to it.
const CLOCK_FILE: &str = "clock";

/// Becomes a command in a node.
const ENTER: &str = r#"
first=$(sh "$1" first "$2") || exit 125
[ -n "$first" ] || { echo "$3 is off" >&2; exit 125; }
clock=$2/clock
shift 3
set -- nsenter --target "$first" --all -- env -i HOME=/root LANG=C.UTF-8 PATH="$PATH" "$@"
# Who enters goes by the node's clock.
[ ! -e "$clock" ] || set -- "$(sed -n 1p "$clock")" "$(sed -n 2p "$clock")" "$@"
exec "$@"
"#;

/// A node of a lab.
#[derive(Debug)]
pub struct Machine<'lab> {
    pub(super) ground: &'lab Ground,
    pub(super) seat: &'lab Seat,
    pub(super) dir: PathBuf,
    /// The lab's own.
    pub(super) lab: &'lab Path,
    pub(super) settings: PathBuf,
}

impl Machine<'_> {
    /// Its name in the lab.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.seat.name
    }

    /// Its host name, and that of its Node; its name in the lab, unless the lab's shape gives it another one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.seat.host
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.seat.address
    }

    /// Its role and place.
    #[must_use]
    pub fn seat(&self) -> &Seat {
        self.seat
    }

    /// True while it is on.
    ///
    /// # Errors
    /// When the lab can't be entered.
    pub fn is_on(&self) -> Result<bool, LabError> {
        Ok(!self.press("state")?.trim().is_empty())
    }

    /// Switches it on, and returns when one can log in.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&self) -> Result<(), LabError> {
        self.switch_on()?;
        self.wait()
    }

    /// Switches it on without waiting; one that is on stays as it is.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn switch_on(&self) -> Result<(), LabError> {
        self.press("on").map(|_| ())
    }

    /// Presses its switch.
    fn press(&self, verb: &str) -> Result<String, LabError> {
        let mut command = self.ground.command("sh");
        run::text(command.arg(switch::path(self.lab)).arg(verb).arg(&self.dir))
    }

    /// Waits until one can log in.
    ///
    /// # Errors
    /// When that takes too long; the end of its console is shown.
    pub fn wait(&self) -> Result<(), LabError> {
        let what = format!("{} can be logged in to", self.name());
        wait_until(&what, BOOT, || {
            match self.inside(&["systemctl", "is-active", "--quiet", "ssh"]) {
                Ok(done) if done.status.success() => Ok(()),
                _ => Err(self.console(5)),
            }
        })?;
        // It runs at every start; this waits for its end.
        self.script("systemctl start lab-host").map(|_| ())
    }

    /// The end of what it printed on its console.
    #[must_use]
    pub fn console(&self, lines: usize) -> String {
        let text = fs::read(self.dir.join("console.log")).unwrap_or_default();
        run::tail(&String::from_utf8_lossy(&text), lines)
    }

    /// The power cord: its init is killed, and with it everything at once.
    ///
    /// # Errors
    /// When it does not go.
    pub fn kill(&self) -> Result<(), LabError> {
        self.press("cord").map(|_| ())
    }

    /// Shuts it down as its own `poweroff` would.
    ///
    /// # Errors
    /// When it does not go in time.
    pub fn stop(&self) -> Result<(), LabError> {
        self.press("ask")?;
        wait_until(&format!("{} is off", self.name()), HALT, || {
            match self.is_on() {
                Ok(false) => Ok(()),
                Ok(true) => Err(self.console(3)),
                Err(error) => Err(error.to_string()),
            }
        })?;
        self.press("clear").map(|_| ())
    }

    /// A command inside it, as its root, without ssh.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.ground.command("sh");
        command
            .args(["-c", ENTER, "lab"])
            .arg(switch::path(self.lab))
            .arg(&self.dir)
            .arg(self.name())
            .args(arguments);
        command
    }

    /// Runs a command inside it, whatever its code.
    ///
    /// # Errors
    /// When the lab can't be entered.
    pub fn inside(&self, arguments: &[&str]) -> Result<Output, LabError> {
        run::output(&mut self.command(arguments))
    }

    /// Runs a shell script inside it and gives what it printed. It has an end: systemd waits for k3s without one.
    ///
    /// # Errors
    /// When it fails, with code 124 when it took too long.
    pub fn script(&self, script: &str) -> Result<String, LabError> {
        let done = self.inside(&["timeout", "--kill-after=10", SCRIPT, "sh", "-euc", script])?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        let said = [done.stderr.as_slice(), done.stdout.as_slice()].concat();
        Err(self.refused(format!(
            "`{script}` failed with {}: {}",
            done.status,
            run::tail(&String::from_utf8_lossy(&said), 15)
        )))
    }

    /// Copies a program of this machine into it, whole or not at all.
    ///
    /// # Errors
    /// When it can't be read, or the host is off or full.
    pub fn put(&self, program: &Path, to: &str) -> Result<(), LabError> {
        const COPY: &str = r#"cat > "$1.next" && chmod 755 "$1.next" && mv "$1.next" "$1""#;
        let source = fs::File::open(program).map_err(file("read", program))?;
        let mut command = self.command(&["sh", "-euc", COPY, "put", to]);
        run::text_from(&mut command, source).map(|_| ())
    }

    /// An ssh that comes in as a person would; it needs no settings of the user.
    #[must_use]
    pub fn ssh(&self) -> Command {
        let mut command = self.ground.on_network("ssh");
        command.arg("-F").arg(&self.settings).arg(self.name());
        command
    }

    /// Its own layers that are only read, the oldest first.
    fn layers(&self) -> Result<Vec<PathBuf>, LabError> {
        let folder = self.dir.join("layers");
        let mut layers: Vec<PathBuf> = fs::read_dir(&folder)
            .map_err(file("list", &folder))?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        layers.sort();
        Ok(layers)
    }

    /// Keeps what it has written so far under a name. It must be off: a disk in use has no state to keep.
    ///
    /// # Errors
    /// When it is on, or the name is taken.
    pub fn snapshot(&self, label: &str) -> Result<(), LabError> {
        self.off("snapshot")?;
        if self.dir.join(OTHER_DISK).exists() {
            return Err(self.refused("it was given another disk, which can't be kept".into()));
        }
        if self.layer(label)?.is_some() {
            return Err(self.refused(format!("a snapshot `{label}` exists; take another name")));
        }
        let number = self.layers()?.len();
        let layer = self.dir.join(format!("layers/{number:03}-{label}"));
        let upper = self.dir.join("upper");
        fs::rename(&upper, &layer).map_err(file("rename", &upper))?;
        self.fresh()
    }

    /// Sets its clock wrong by so many seconds, or right again with 0. It must be off: a clock on the board is read as a
    /// host is switched on.
    ///
    /// # Errors
    /// When it is on, or the program that sees to it can't be built.
    pub fn set_clock(&self, seconds: i64) -> Result<(), LabError> {
        self.off("change of its clock")?;
        let path = self.dir.join(CLOCK_FILE);
        if seconds == 0 {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(file("remove", &path)(error))
                }
                _ => Ok(()),
            };
        }
        let program = Programs::one(&CLOCK, &mut |_| ())?;
        fs::write(&path, format!("{}\n{seconds}\n", program.display()))
            .map_err(file("write", &path))
    }

    /// Puts it back to a snapshot, cutting its power if need be; it is off afterwards. Newer snapshots go.
    ///
    /// # Errors
    /// When there is no such snapshot.
    pub fn reset(&self, label: &str) -> Result<(), LabError> {
        let Some(kept) = self.layer(label)? else {
            return Err(self.refused(format!("there is no snapshot `{label}`")));
        };
        self.kill()?;
        for layer in self.layers()? {
            if layer > kept {
                fs::remove_dir_all(&layer).map_err(file("remove", &layer))?;
            }
        }
        self.fresh()
    }

    /// An empty layer to write to, on the disk that it was made with.
    fn fresh(&self) -> Result<(), LabError> {
        let other = self.dir.join(OTHER_DISK);
        if other.exists() {
            fs::remove_file(&other).map_err(file("remove", &other))?;
        }
        for name in ["upper", "work"] {
            let folder = self.dir.join(name);
            clear(&folder)?;
            fs::create_dir(&folder).map_err(file("create", &folder))?;
        }
        Ok(())
    }

    fn layer(&self, label: &str) -> Result<Option<PathBuf>, LabError> {
        Ok(self.layers()?.into_iter().find(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            name.is_some_and(|name| name.split_once('-').is_some_and(|(_, own)| own == label))
        }))
    }

    fn off(&self, verb: &'static str) -> Result<(), LabError> {
        if self.is_on()? {
            return Err(self.refused(format!(
                "it is on; stop it before a {verb}: `cargo xtask lab stop {}`",
                self.name()
            )));
        }
        Ok(())
    }

    fn refused(&self, why: String) -> LabError {
        LabError::Node {
            node: self.name().to_owned(),
            why,
        }
    }
}
