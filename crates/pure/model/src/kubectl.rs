//! Command lines of kubectl: the names it goes by, and which of its options take the next word.
//!
//! Deliberately absent: what a command prints (`read::text`), and options of single verbs that nobody
//! pastes.

/// Its names, and what calls itself by one of them.
const NAMES: &[&str] = &["kubectl", "k", "kc", "kubecolor", "oc"];

/// Programs that hold it: `k3s kubectl …`.
const HOLDERS: &[&str] = &["k3s", "rke2", "microk8s", "minikube"];

/// Options whose value is the next word. `-f` is one too, but for `logs`, where it follows; `-p` is none
/// but for `patch`.
/// Source: Kubernetes, `staging/src/k8s.io/kubectl/pkg/cmd` and `k8s.io/cli-runtime`.
const VALUED: &[&str] = &[
    "-c",
    "-f",
    "-k",
    "-l",
    "-L",
    "-n",
    "-o",
    "-s",
    "-v",
    "--as",
    "--as-group",
    "--cluster",
    "--container",
    "--context",
    "--field-selector",
    "--filename",
    "--for",
    "--image",
    "--kubeconfig",
    "--kustomize",
    "--label-columns",
    "--namespace",
    "--output",
    "--patch",
    "--request-timeout",
    "--selector",
    "--server",
    "--since",
    "--since-time",
    "--sort-by",
    "--tail",
    "--template",
    "--timeout",
    "--tls-server-name",
    "--token",
    "--user",
];

/// The words of a command of kubectl from its verb on, without options and their values, up to a pipe.
/// Nothing if another program was called.
pub fn words<'w>(command: impl IntoIterator<Item = &'w str>) -> Option<Vec<&'w str>> {
    let mut words = command.into_iter();
    let program = words.next()?.rsplit('/').next().unwrap_or_default();
    let called = NAMES.contains(&program)
        || (HOLDERS.contains(&program) && words.next().is_some_and(|w| w == "kubectl"));
    if !called {
        return None;
    }
    let mut out = Vec::new();
    while let Some(word) = words.next() {
        if word == "|" {
            break;
        }
        let verb = out.first().copied().unwrap_or_default();
        let valued = match word {
            "-f" => verb != "logs",
            "-p" => verb == "patch",
            word => VALUED.contains(&word),
        };
        if valued {
            words.next();
        } else if !word.starts_with('-') {
            out.push(word);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn options_stand_anywhere() {
        for (line, said) in [
            ("kubectl get pods -A", "get pods"),
            ("k -n shop get po -o wide", "get po"),
            ("/usr/local/bin/k3s kubectl --context lab get no", "get no"),
            ("kubectl logs -f -c app till-0 --tail 20", "logs till-0"),
            ("kubectl logs -p till-0", "logs till-0"),
            ("oc apply -f till.yaml", "apply"),
            ("kubectl get pods | grep till", "get pods"),
        ] {
            let got = words(line.split(' ')).unwrap();
            assert_eq!(got.join(" "), said, "{line}");
        }
        assert_eq!(words("k3s server".split(' ')), None);
        assert_eq!(words("crictl ps".split(' ')), None);
    }
}
