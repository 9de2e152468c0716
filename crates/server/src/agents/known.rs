//! Agents that speak the protocol, and how each is started. They are offered where they are installed.

use rejoin_host::acp::Recipe;

struct Known {
    name: &'static str,
    title: &'static str,
    /// Each a way to start it; the first that is installed counts.
    commands: &'static [&'static [&'static str]],
    credentials: &'static [&'static str],
    install: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        name: "codex",
        title: "Codex",
        commands: &[&["codex-acp"]],
        credentials: &["OPENAI_API_KEY", "CODEX_API_KEY", "OPENAI_BASE_URL"],
        install: "npm install -g @zed-industries/codex-acp",
    },
    Known {
        name: "claude",
        title: "Claude Code",
        commands: &[&["claude-agent-acp"], &["claude-code-acp"]],
        credentials: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN"],
        install: "npm install -g @agentclientprotocol/claude-agent-acp",
    },
    Known {
        name: "opencode",
        title: "OpenCode",
        commands: &[&["opencode", "acp"]],
        credentials: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "OPENCODE_API_KEY"],
        install: "npm install -g opencode-ai",
    },
    Known {
        name: "gemini",
        title: "Gemini CLI",
        commands: &[&["gemini", "--experimental-acp"]],
        credentials: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        install: "npm install -g @google/gemini-cli",
    },
    Known {
        name: "qwen",
        title: "Qwen Code",
        commands: &[&["qwen", "--acp"]],
        credentials: &["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "DASHSCOPE_API_KEY"],
        install: "npm install -g @qwen-code/qwen-code",
    },
    Known {
        name: "goose",
        title: "Goose",
        commands: &[&["goose", "acp"]],
        credentials: &["GOOSE_PROVIDER", "GOOSE_MODEL", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"],
        install: "see the pages of the Goose project",
    },
    Known {
        name: "copilot",
        title: "GitHub Copilot CLI",
        commands: &[&["copilot", "--acp", "--stdio"]],
        credentials: &["GH_TOKEN", "GITHUB_TOKEN", "COPILOT_GITHUB_TOKEN"],
        install: "npm install -g @github/copilot",
    },
    Known {
        name: "cursor",
        title: "Cursor Agent",
        commands: &[&["cursor-agent", "acp"]],
        credentials: &["CURSOR_API_KEY"],
        install: "see the pages of Cursor",
    },
    Known {
        name: "kimi",
        title: "Kimi CLI",
        commands: &[&["kimi", "acp"]],
        credentials: &["KIMI_API_KEY", "KIMI_BASE_URL"],
        install: "uv tool install kimi-cli",
    },
    Known {
        name: "auggie",
        title: "Auggie",
        commands: &[&["auggie", "--acp"]],
        credentials: &["AUGMENT_SESSION_AUTH"],
        install: "npm install -g @augmentcode/auggie",
    },
    Known {
        name: "kiro",
        title: "Kiro CLI",
        commands: &[&["kiro-cli", "acp"]],
        credentials: &[],
        install: "see the pages of Kiro",
    },
    Known {
        name: "droid",
        title: "Factory Droid",
        commands: &[&["droid", "exec", "--output-format", "acp"]],
        credentials: &["FACTORY_API_KEY"],
        install: "see the pages of Factory",
    },
    Known {
        name: "pi",
        title: "Pi",
        commands: &[&["pi-acp"]],
        credentials: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"],
        install: "npm install -g pi-acp",
    },
];

pub(super) fn all() -> Vec<Recipe> {
    KNOWN.iter().map(Known::recipe).collect()
}

impl Known {
    fn recipe(&self) -> Recipe {
        let ways = self.commands.iter().filter_map(|words| {
            let (command, args) = words.split_first()?;
            let args = args.iter().map(|&arg| arg.to_owned()).collect();
            Some(Recipe { args, ..Recipe::new(self.name, *command) })
        });
        let mut ways: Vec<Recipe> = ways.collect();
        let installed = ways.iter().position(|recipe| recipe.program().is_some());
        let recipe = ways.swap_remove(installed.unwrap_or(0));
        Recipe {
            title: self.title.to_owned(),
            description: format!("{}, run as `{}`.", self.title, recipe.command_line()),
            credentials: self.credentials.iter().map(|&name| name.to_owned()).collect(),
            install: Some(self.install.to_owned()),
            is_ready_made: true,
            ..recipe
        }
    }
}
