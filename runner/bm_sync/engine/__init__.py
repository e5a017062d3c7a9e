"""The pipeline: observe, plan, guard, execute, verify, record. Thin acts around pure decisions."""
