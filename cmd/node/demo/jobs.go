package demo

// Jobs are the jobs that a demo can run, the default first.
var Jobs = []string{"wordcount"}
