//! The machine that the agent works on: terminals, sandboxes, plans, files, and what it all costs.

use serde_json::Value;

use super::payload::payloads;

payloads! {
    TerminalStream turn {
        terminal_id: String,
        data: String,
        /// `stdout` or `stderr`.
        stream: Option<String>,
    }
    TerminalComplete turn {
        terminal_id: String,
        command: Option<String>,
        exit_code: Option<i64>,
        duration_ms: Option<u64>,
    }
    SandboxProvisioning session { sandbox_id: Option<String>, message: Option<String> }
    SandboxInit session { sandbox_id: String }
    SandboxRemoved session { sandbox_id: String, reason: Option<String> }
    InstanceStatus session {
        instance_id: String,
        /// `starting`, `connected`, `disconnected` or `stopped`.
        status: String,
    }
    PlanCreated turn { plan_id: String, steps: Value }
    PlanStepStarted turn { plan_id: String, step_id: String }
    PlanStepCompleted turn { plan_id: String, step_id: String }
    PlanRevised turn { plan_id: String, steps: Value, items: Value }
    /// A file of the workspace is another now.
    FileChanged session {
        path: String,
        /// `created`, `modified` or `deleted`.
        change: String,
        iteration: Option<u64>,
        hash: Option<String>,
    }
    /// Tokens of a turn.
    UsageUpdate turn {
        model: Option<String>,
        input_tokens: u64,
        output_tokens: u64,
        cached_tokens: Option<u64>,
        cost_micros: Option<i64>,
    }
    /// How full the model's context is.
    UsageContext turn { used_tokens: u64, max_tokens: u64, percent: f64 }
    /// What the tenant has left. Belongs to no session.
    CreditsUpdate session { balance_micros: i64, reserved_micros: i64 }
}
