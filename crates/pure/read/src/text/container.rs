//! Commands that somebody typed in a shell inside a container: `kubectl exec -it POD -- sh`, and the prompts behind it.
//! They are kept as the one command that would do the same from outside.
//! Deliberately absent: what is inside a container and what is not of its host; the rules know.

use defib_formats::text::Command;

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

/// The command line, if it opens a shell in a container.
pub(super) fn opened(command: &Command) -> Option<String> {
    let runs = ["exec", "run", "debug"].iter().any(|w| command.has(w));
    let is_shell = command
        .words
        .last()
        .is_some_and(|w| SHELLS.contains(&w.as_str()));
    let asks = command
        .words
        .iter()
        .any(|w| w == "--" || w.starts_with("-i") || w.starts_with("-t") || w == "--stdin");
    (runs && is_shell && asks).then(|| command.line.clone())
}

/// Is this command typed at a prompt of that container? A folder alone, a bare shell's (`bash-5.1#`), or the name of
/// the pod.
pub(super) fn is_within(opened: &str, command: &Command) -> bool {
    match &command.host {
        None => !command.folder.is_empty(),
        Some(host) => {
            host.starts_with("bash-")
                || host.starts_with("sh-")
                || opened
                    .split(|c: char| c.is_whitespace() || c == '/')
                    .any(|w| w == host || (w.len() > 3 && host.starts_with(&format!("{w}-"))))
        }
    }
}

/// The command of what is read now, as it would run from outside.
pub(super) fn ran(walk: &Walk<'_>) -> String {
    let Some(command) = &walk.command else {
        return String::new();
    };
    // Somebody's home may be on any machine.
    let at_root = || command.folder.starts_with('/').then_some(SOMEWHERE);
    match walk.shell.as_deref().or_else(at_root) {
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
