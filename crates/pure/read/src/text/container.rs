//! Commands that somebody typed in a shell inside a container: `kubectl exec -it POD -- sh`, and the prompts behind it.
//! They are kept as the one command that would do the same from outside.
//! Deliberately absent: what is inside a container and what is not of its host; the rules know.

use defib_formats::text::Command;
use defib_model::kubectl;

use super::Walk;

/// Shells that people open.
const SHELLS: &[&str] = &[
    "sh",
    "ash",
    "bash",
    "zsh",
    "/bin/sh",
    "/bin/ash",
    "/bin/bash",
    "/bin/zsh",
];
/// What opens one without a name that is known here.
const SOMEWHERE: &str = "kubectl exec -it POD -- sh";

/// A shell in a container.
pub(crate) struct Shell {
    /// The command that opened it.
    by: String,
    /// Where that was typed.
    from: Option<String>,
    /// The pod's name, or the beginning that its workload gives it.
    pod: String,
    /// Only the beginning is known.
    begins: bool,
}

/// The shell that the command opens. One of a node's debugger is the node's own, as far as it goes.
pub(super) fn opened(command: &Command) -> Option<Shell> {
    let is_shell = command
        .words
        .last()
        .is_some_and(|w| SHELLS.contains(&w.as_str()));
    let asks =
        |w: &String| w == "--" || w.starts_with("-i") || w.starts_with("-t") || w == "--stdin";
    if !is_shell || !command.words.iter().any(asks) {
        return None;
    }
    let all = || command.words.iter().map(String::as_str);
    let words = kubectl::words(all()).unwrap_or_else(|| all().collect());
    let at = words
        .iter()
        .position(|w| matches!(*w, "exec" | "run" | "debug"))?;
    let mut named = words.iter().skip(at + 1).filter(|w| !w.starts_with('-'));
    let target = named.next().copied()?;
    let (kind, name) = target.split_once('/').unwrap_or(("pod", target));
    if matches!(kind, "node" | "nodes" | "no") {
        return None;
    }
    Some(Shell {
        by: command.line.clone(),
        from: command.host.clone(),
        pod: name.to_owned(),
        begins: !matches!(kind, "pod" | "pods" | "po"),
    })
}

/// Is this command typed at a prompt of that container? A folder alone, a bare shell's (`bash-5.1#`), or the name of
/// the pod, unless the shell was opened there.
pub(super) fn is_within(shell: &Shell, command: &Command) -> bool {
    if command.program() == "exit" {
        return false;
    }
    let Some(host) = &command.host else {
        return !command.folder.is_empty();
    };
    if shell.from.as_ref() == Some(host) {
        return false;
    }
    let bare = ["bash-", "sh-"].iter().filter_map(|s| host.strip_prefix(s));
    let mut bare = bare.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    bare.next().is_some()
        || *host == shell.pod
        || (shell.begins
            && host
                .strip_prefix(&shell.pod)
                .is_some_and(|rest| rest.starts_with('-')))
}

/// The command of what is read now, as it would run from outside.
pub(super) fn ran(walk: &Walk<'_>) -> String {
    let Some(command) = &walk.command else {
        return String::new();
    };
    // Somebody's home may be on any machine.
    let at_root = || (command.folder == "/").then_some(SOMEWHERE);
    let opened = walk.shell.as_ref().map(|shell| shell.by.as_str());
    match opened.or_else(at_root) {
        // The one that opens it is itself.
        Some(by) if by != command.line => {
            format!("{by} -c '{}'", command.line.replace('\'', "'\\''"))
        }
        _ => command.line.clone(),
    }
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    fn commands(text: &str) -> Vec<String> {
        let facts = super::super::read(text.as_bytes(), 0).facts;
        let ran = facts
            .into_iter()
            .filter(|f| matches!(f.value, Value::Ran(_)));
        ran.map(|f| f.command).collect()
    }

    #[test]
    fn what_is_typed_in_a_container_is_kept_as_run_from_outside() {
        let got = commands(
            "ops@n1:~$ kubectl exec -it till-0 -- sh\n/ # ping -c1 192.0.2.7\nroot@till-0:/# ip route\nops@n1:~$ ip route\n/ # cat /etc/resolv.conf\n~ $ kubectl get nodes\n",
        );
        assert_eq!(
            got,
            [
                "kubectl exec -it till-0 -- sh",
                "kubectl exec -it till-0 -- sh -c 'ping -c1 192.0.2.7'",
                "kubectl exec -it till-0 -- sh -c 'ip route'",
                "ip route",
                "kubectl exec -it POD -- sh -c 'cat /etc/resolv.conf'",
                "kubectl get nodes",
            ]
        );
    }
}
