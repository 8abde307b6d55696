"""Other formats made into prompt sets: the field's benchmark files, promptfoo configurations, and plain lists."""
