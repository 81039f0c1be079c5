"""What a host does for a task: hold its workspace, run its agent, judge its patch, and give everything back."""
