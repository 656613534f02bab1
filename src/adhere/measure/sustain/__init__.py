"""SustainScore and its controls: the accuracy lost when a constraint is added that the model's own answer already met.

arXiv 2601.22047 adds to a solved problem a constraint that its solution meets by itself, and asks again. What is lost
then is interference between following and solving. Items selected by one success lose some of it by chance when they
are merely asked again, so every arm stands beside a control.

    outcome      what became of one arm of one problem: what all of this writes and reads
    arms         the conditions, and the prompts they make; `plan` what a run is asked to ask
    material     the problems: the pocket world's, a file's, the Hub's
    selfevident  constraints that a solution meets by itself and that tell nothing of it
    wordings     placebos, and longer wordings of the same problem; `rewriting` where another model helps
    query        one thing asked, and what the answer to it is worth
    task         the Inspect task `adhere/sustain`
    run          asking a model and summing up; `saved` answers made elsewhere
    practice     kinds of constraints trained with reasoning against the others; `course` the same along training
    selection    base selects: the problems that count
    scores       Sustain, interference, IF, the area under the k-curve; `power` says how many problems it takes; as
                 findings in `score_findings`
    failures     why a solved problem was lost, by rules; `judging` for what they leave open
    patterns     how often each way of failing occurs, and how much oftener than at control
"""
