//! One node: its layers, its switch, and hands inside it.
//!
//! Its file system is layers that are only read (Debian, k3s, the node's own settings, snapshots) below one that is
//! written. A snapshot makes the written layer a read one, a reset throws the written one away: neither copies.
//! Deliberately absent: what runs on it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use super::cgroups;
use super::ground::{GATEWAY, Ground};
use super::open::{Plan, Seat};
use super::run;
use crate::lab::LabError;
use crate::lab::error::file;
use crate::lab::files::clear;
use crate::lab::ready::wait_until;

/// How long systemd and sshd may take; seconds on an idle machine.
const BOOT: Duration = Duration::from_secs(90);
/// How long a clean stop may take: k3s and its datastore go first.
const HALT: Duration = Duration::from_secs(90);

/// How long a script may take, in seconds; the longest that there is waits for a start of k3s.
const SCRIPT: &str = "300";

/// Puts the node on the network and starts it. The file system comes last of what can fail without a trace.
const START: &str = r#"
set -eu
name=$1 address=$2 gateway=$3 dir=$4 lower=$5 groups=$6
shift 6
ip netns add "$name"
ip link add "$name" type veth peer name eth0 netns "$name"
ip link set "$name" master lab0 up
ip -n "$name" link set lo up
ip -n "$name" address add "$address/24" dev eth0
ip -n "$name" link set eth0 up
ip -n "$name" route add default via "$gateway"
mkdir -p "$dir/upper" "$dir/work" "$dir/merged"
mount -t overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$name" "$dir/merged"
IFS='
'
for group in $groups; do echo 0 > "$group/cgroup.procs"; done
systemd-nspawn --quiet --boot --directory="$dir/merged" --machine="$name" --hostname="$name" \
  --network-namespace-path="/run/netns/$name" --register=no --keep-unit --capability=all \
  --resolv-conf=off --timezone=off --link-journal=no "$@" > "$dir/console.log" 2>&1 < /dev/null &
echo "$!" > "$dir/pid"
"#;

/// Takes a node that has ended off the network and its file system off the tree.
const CLEAR: &str = r#"
name=$1 dir=$2
rm -f "$dir/pid"
ip link delete "$name" 2> /dev/null
ip netns delete "$name" 2> /dev/null
tries=0
while mountpoint -q "$dir/merged"; do
  umount "$dir/merged" && break
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || exit 1
  sleep 0.1
done
exit 0
"#;

/// Sets `nspawn` and `first` (the node's init), empty when it does not run.
const FIND: &str = r#"
nspawn=$(cat "$1/pid" 2> /dev/null) || nspawn=
[ -n "$nspawn" ] && [ "$(cat /proc/$nspawn/comm 2> /dev/null)" = systemd-nspawn ] || nspawn=
first=
[ -z "$nspawn" ] || first=$(cut -d' ' -f1 "/proc/$nspawn/task/$nspawn/children" 2> /dev/null)
"#;

/// A node of a lab.
#[derive(Debug)]
pub struct Machine<'lab> {
    pub(super) ground: &'lab Ground,
    pub(super) plan: &'lab Plan,
    pub(super) seat: &'lab Seat,
    pub(super) dir: PathBuf,
    pub(super) groups: &'lab [PathBuf],
    pub(super) settings: PathBuf,
}

impl Machine<'_> {
    /// Its name, which is its host name too.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.seat.name
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
        let script = format!("{FIND}\necho \"$nspawn\"");
        Ok(!self.ground.script(&script, [&self.dir])?.trim().is_empty())
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
        if self.is_on()? {
            return Ok(());
        }
        self.clear()?;
        let mut lower: Vec<String> = self
            .layers()?
            .iter()
            .rev()
            .map(|path| path.display().to_string())
            .collect();
        lower.extend(self.plan.lower.iter().map(|p| p.display().to_string()));
        let groups: Vec<String> = cgroups::make(self.groups, self.name())?
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let dir = self.dir.display().to_string();
        let mut arguments = vec![
            self.seat.name.clone(),
            self.seat.address.clone(),
            GATEWAY.to_owned(),
            dir,
            lower.join(":"),
            groups.join("\n"),
        ];
        for (from, to) in &self.plan.binds {
            arguments.push(format!("--bind-ro={}:{to}", from.display()));
        }
        self.ground.script(START, arguments).map(|_| ())
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
        let script = format!("{FIND}\n[ -z \"$first\" ] || kill -KILL \"$first\"");
        self.ground.script(&script, [&self.dir])?;
        self.gone()
    }

    /// Shuts it down as its own `poweroff` would.
    ///
    /// # Errors
    /// When it does not go in time.
    pub fn stop(&self) -> Result<(), LabError> {
        let script = format!("{FIND}\n[ -z \"$nspawn\" ] || kill -TERM \"$nspawn\"");
        self.ground.script(&script, [&self.dir])?;
        self.gone()
    }

    fn gone(&self) -> Result<(), LabError> {
        wait_until(&format!("{} is off", self.name()), HALT, || {
            match self.is_on() {
                Ok(false) => Ok(()),
                Ok(true) => Err(self.console(3)),
                Err(error) => Err(error.to_string()),
            }
        })?;
        self.clear()
    }

    fn clear(&self) -> Result<(), LabError> {
        let dir = self.dir.display().to_string();
        self.ground.script(CLEAR, [&self.seat.name, &dir])?;
        let own: Vec<PathBuf> = self.groups.iter().map(|g| g.join(self.name())).collect();
        cgroups::remove(&own)
    }

    /// A command inside it, as its root, without ssh.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let script = format!(
            "{FIND}\n[ -n \"$first\" ] || {{ echo \"$2 is off\" >&2; exit 125; }}\nshift 2\nexec nsenter --target \"$first\" --all -- env -i HOME=/root LANG=C.UTF-8 PATH=\"$PATH\" \"$@\""
        );
        let mut command = self.ground.command("sh");
        command
            .args(["-c", &script, "lab"])
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
        if self.layer(label)?.is_some() {
            return Err(self.refused(format!("a snapshot `{label}` exists; take another name")));
        }
        let number = self.layers()?.len();
        let layer = self.dir.join(format!("layers/{number:03}-{label}"));
        let upper = self.dir.join("upper");
        fs::rename(&upper, &layer).map_err(file("rename", &upper))?;
        self.fresh()
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

    /// An empty layer to write to.
    fn fresh(&self) -> Result<(), LabError> {
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
