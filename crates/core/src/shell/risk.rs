//! How much harm a command could do, for the person who is asked. Nothing is allowed on account of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Access, Analysis, Opaque, Stage};

/// From "only looks" to "ends the machine".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Risk {
    #[default]
    None,
    Low,
    Medium,
    High,
    Critical,
}

/// The highest risk of a command, and where it comes from, highest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    pub level: Risk,
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    pub level: Risk,
    pub text: String,
}

/// Reasons shown for one command; more are not read.
const MAX_REASONS: usize = 16;

/// Judges a command by its stages.
pub fn risk(analysis: &Analysis) -> Assessment {
    let mut found = Vec::new();
    if let Some(reason) = &analysis.opaque {
        found.push((Risk::High, format!("cannot be judged: {reason}")));
    }
    let from_network = analysis.stages.iter().any(|stage| matches!(stage.base_name(), "curl" | "wget" | "fetch"));
    if from_network && matches!(analysis.opaque, Some(Opaque::ShellInput(_))) {
        found.push((Risk::Critical, "runs what it downloads".to_owned()));
    }
    for stage in &analysis.stages {
        judge_redirects(stage, &mut found);
        if !stage.program.is_empty() && !stage.wrapper {
            let (level, what) = judge(stage);
            if level > Risk::None {
                found.push((level, format!("{}: {what}", stage.base_name())));
            }
        }
    }
    found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    found.dedup();
    let level = found.first().map_or(Risk::None, |(level, _)| *level);
    let reasons = found.into_iter().take(MAX_REASONS).map(|(level, text)| Reason { level, text }).collect();
    Assessment { level, reasons }
}

fn judge_redirects(stage: &Stage, found: &mut Vec<(Risk, String)>) {
    for redirect in stage.redirects.iter().filter(|_| stage.redirects_beyond_itself()) {
        let name = &redirect.target.text;
        if redirect.is_connection() {
            found.push((Risk::High, format!("connects to {name}")));
        } else if redirect.access == Access::Read {
            if is_secret(name) {
                found.push((Risk::High, format!("reads {name}, which looks secret")));
            }
        } else if is_disk(name) {
            found.push((Risk::Critical, format!("writes over {name}")));
        } else if !name.starts_with("/dev/") {
            let level = if is_sensitive(name) { Risk::High } else { Risk::Medium };
            found.push((level, format!("writes {name}")));
        }
    }
}

fn judge(stage: &Stage) -> (Risk, &'static str) {
    let first = stage.args.first().map_or("", |word| word.text.as_str());
    let has = |wanted: &[&str]| stage.args.iter().any(|word| wanted.contains(&word.text.as_str()));
    let flag = |letter: char, long: &str| {
        stage.args.iter().any(|word| {
            word.text == long
                || (word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains(letter))
        })
    };
    let touches = |test: fn(&str) -> bool| stage.args.iter().any(|word| test(&word.text));
    match stage.base_name() {
        "rm" if flag('r', "--recursive") || flag('R', "--recursive") => {
            if touches(is_everything) {
                (Risk::Critical, "deletes whole trees")
            } else {
                (Risk::High, "deletes folders with all they hold")
            }
        }
        "rm" if flag('f', "--force") => (Risk::High, "deletes files without asking"),
        "rm" | "rmdir" | "unlink" => (Risk::Medium, "deletes files"),
        "mkfs" | "fdisk" | "parted" | "wipefs" | "blkdiscard" | "mkswap" => (Risk::Critical, "overwrites disks"),
        name if name.starts_with("mkfs.") => (Risk::Critical, "overwrites disks"),
        "dd" | "tee" | "cp" | "shred" | "truncate" if touches(is_disk) => (Risk::Critical, "writes to a disk"),
        "shutdown" | "reboot" | "halt" | "poweroff" | "init" | "telinit" => (Risk::Critical, "stops the machine"),
        "chmod" | "chown" | "chgrp" if flag('R', "--recursive") && touches(is_everything) => {
            (Risk::Critical, "changes rights of whole trees")
        }
        "chmod" | "chown" | "chgrp" | "setfacl" if flag('R', "--recursive") => {
            (Risk::High, "changes rights of folders with all they hold")
        }
        "chmod" | "chown" | "chgrp" | "setfacl" => (Risk::Medium, "changes rights"),
        "sudo" | "doas" | "su" | "pkexec" | "runuser" => (Risk::High, "runs with other rights"),
        "shred" | "dd" => (Risk::High, "overwrites files"),
        "kill" | "pkill" | "killall" | "skill" => (Risk::High, "ends processes"),
        "ssh" | "scp" | "sftp" | "rsync" | "nc" | "ncat" | "netcat" | "socat" | "telnet" | "ftp" => {
            (Risk::High, "reaches other machines")
        }
        "systemctl" | "service" | "crontab" | "at" | "iptables" | "nft" | "mount" | "umount" | "useradd"
        | "usermod" | "passwd" | "visudo" | "insmod" | "modprobe" | "sysctl" => (Risk::High, "changes the system"),
        "docker" | "podman" | "kubectl" | "helm" | "terraform" | "aws" | "gcloud" | "az" => {
            (Risk::High, "changes things outside this folder")
        }
        "eval" | "source" | "." | "trap" => (Risk::High, "runs text"),
        "python" | "python3" | "node" | "perl" | "ruby" | "php" | "deno" | "bun" | "lua"
            if has(&["-c", "-e", "-p", "-r", "--eval", "eval"]) =>
        {
            (Risk::High, "runs a program given as text")
        }
        "python" | "python3" | "node" | "perl" | "ruby" | "php" | "deno" | "bun" | "lua" | "sh" | "bash" | "dash" => {
            if has(&["--version", "-V", "-v"]) {
                (Risk::None, "")
            } else {
                (Risk::Medium, "runs a program")
            }
        }
        "git" => judge_git(first, &has),
        "npm" | "pnpm" | "yarn" | "cargo" | "gem" | "twine" | "poetry" if has(&["publish", "upload", "yank"]) => {
            (Risk::High, "publishes")
        }
        "npm" | "pnpm" | "yarn" | "pip" | "pip3" | "uv" | "gem" | "brew" | "apt" | "apt-get" | "dnf" | "yum"
        | "pacman" | "apk" | "snap" | "conda" | "poetry" | "composer"
            if has(&["install", "i", "add", "ci", "update", "upgrade", "remove", "uninstall", "sync", "-S"]) =>
        {
            (Risk::Medium, "installs or removes packages")
        }
        "npx" | "uvx" | "pipx" | "bunx" => (Risk::Medium, "downloads and runs a package"),
        "cargo" | "go" | "rustup" if has(&["install", "add", "remove", "get"]) => (Risk::Medium, "downloads packages"),
        "npm" | "pnpm" | "yarn" | "cargo" | "rustc" | "go" | "make" | "cmake" | "ninja" | "pytest" | "tox" | "jest"
        | "vitest" | "tsc" | "eslint" | "prettier" | "ruff" | "mypy" | "black" | "mvn" | "gradle" | "dotnet"
        | "rustfmt" | "gofmt" | "clang-format" => (Risk::Low, "builds or tests"),
        "curl" | "wget" | "fetch" => {
            if has(&["-d", "--data", "-F", "--form", "-T", "--upload-file", "--data-binary", "-X", "--request"]) {
                (Risk::High, "sends data to another machine")
            } else {
                (Risk::Medium, "downloads")
            }
        }
        "find" if has(&["-delete", "-fprint", "-fprintf", "-fls", "-fprint0"]) => {
            (Risk::High, "deletes or writes files")
        }
        "sed" if flag('i', "--in-place") => (Risk::Medium, "changes files"),
        "mv" | "cp" | "ln" | "install" | "tee" | "touch" | "mkdir" | "mkfifo" | "truncate" | "patch" | "unzip"
        | "tar" => {
            if touches(is_sensitive) {
                (Risk::High, "writes sensitive files")
            } else {
                (Risk::Medium, "writes files")
            }
        }
        "cat" | "head" | "tail" | "less" | "more" | "grep" | "egrep" | "fgrep" | "rg" | "strings" | "xxd" | "od"
        | "base64" | "sort" | "uniq" | "cut" | "awk" | "sed" | "jq" | "diff" | "nl" | "tac" | "rev" | "wc"
            if touches(is_secret) =>
        {
            (Risk::High, "reads files that look secret")
        }
        "env" | "printenv" => (Risk::Low, "shows the environment"),
        "awk" | "sed" | "less" | "more" | "vi" | "vim" | "nano" | "emacs" => (Risk::Low, "can run commands of its own"),
        "cat" | "head" | "tail" | "grep" | "egrep" | "fgrep" | "rg" | "strings" | "xxd" | "od" | "base64" | "sort"
        | "uniq" | "cut" | "jq" | "diff" | "nl" | "tac" | "rev" | "wc" | "ls" | "pwd" | "cd" | "echo" | "printf"
        | "date" | "whoami" | "id" | "which" | "type" | "command" | "stat" | "file" | "du" | "df" | "tree" | "find"
        | "fd" | "true" | "false" | ":" | "test" | "[" | "exit" | "return" | "break" | "continue" | "sleep"
        | "basename" | "dirname" | "realpath" | "readlink" | "uname" | "hostname" | "ps" | "uptime" | "free"
        | "nproc" | "seq" | "tr" | "cmp" | "comm" | "column" | "fold" | "md5sum" | "sha256sum" | "set" | "export"
        | "local" | "declare" | "readonly" | "unset" | "read" | "shift" | "wait" | "umask" | "pushd" | "popd"
        | "tput" | "expr" => (Risk::None, ""),
        _ => (Risk::Medium, "not a known program"),
    }
}

fn judge_git(first: &str, has: &dyn Fn(&[&str]) -> bool) -> (Risk, &'static str) {
    let given_config = has(&["-c", "--config-env", "--exec-path", "--upload-pack", "--receive-pack", "-O"]);
    if given_config || first.starts_with("--exec-path=") || first.starts_with("--config-env=") {
        return (Risk::High, "given settings that can run programs");
    }
    match first {
        "push" if has(&["--force", "-f", "--force-with-lease", "--delete", "-d", "--mirror"]) => {
            (Risk::High, "overwrites history elsewhere")
        }
        "reset" if has(&["--hard"]) => (Risk::High, "throws changes away"),
        "clean" | "filter-branch" | "filter-repo" | "gc" | "reflog" | "update-ref" => (Risk::High, "throws work away"),
        "push" | "send-email" => (Risk::Medium, "publishes commits"),
        "clone" | "fetch" | "pull" | "submodule" | "remote" | "ls-remote" => (Risk::Medium, "reaches other machines"),
        "config" => (Risk::Medium, "changes settings"),
        "status" | "log" | "diff" | "show" | "blame" | "rev-parse" | "ls-files" | "describe" | "shortlog" | "grep"
        | "cat-file" | "rev-list" | "merge-base" | "" | "--version" | "help" => (Risk::None, ""),
        _ => (Risk::Low, "changes the repository"),
    }
}

/// The root, a home, or everything in one of them.
fn is_everything(path: &str) -> bool {
    let path = path.trim_matches('"').trim_end_matches('*');
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    matches!(path, "/" | "" | "." | ".." | "~" | "$HOME" | "${HOME}")
        || (path.starts_with('/') && path.matches('/').count() == 1)
}

fn is_disk(path: &str) -> bool {
    let path = path.strip_prefix("of=").unwrap_or(path);
    ["/dev/sd", "/dev/nvme", "/dev/hd", "/dev/vd", "/dev/xvd", "/dev/mmcblk", "/dev/disk", "/dev/mapper", "/dev/mem"]
        .iter()
        .any(|device| path.starts_with(device))
}

/// Files that start programs, open doors or hold other settings than a project's.
fn is_sensitive(path: &str) -> bool {
    const PARTS: [&str; 14] = [
        ".bashrc",
        ".profile",
        ".bash_profile",
        ".zshrc",
        ".ssh",
        ".gnupg",
        ".git/hooks",
        ".git/config",
        ".gitconfig",
        ".npmrc",
        ".config/",
        ".local/bin",
        "authorized_keys",
        "crontab",
    ];
    let system = ["/etc", "/usr", "/bin", "/sbin", "/lib", "/boot", "/sys", "/proc", "/var/spool", "/root"];
    PARTS.iter().any(|part| path.contains(part))
        || system
            .iter()
            .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        || is_secret(path)
}

fn is_secret(path: &str) -> bool {
    const PARTS: [&str; 11] = [
        ".ssh/",
        "id_rsa",
        "id_ed25519",
        ".aws/credentials",
        ".netrc",
        ".pgpass",
        "/etc/shadow",
        ".gnupg",
        ".kube/config",
        ".docker/config",
        ".npmrc",
    ];
    let name = path.rsplit('/').next().unwrap_or_default();
    PARTS.iter().any(|part| path.contains(part))
        || name == ".env"
        || (name.starts_with(".env.") && !name.ends_with(".example") && !name.ends_with(".sample"))
        || [".pem", ".key", ".p12", ".pfx"].iter().any(|end| name.ends_with(end))
}
