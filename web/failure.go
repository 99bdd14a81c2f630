package web

func (f Failure) what() string {
	what, _ := WordsOf(f.Lang).SayError(f.Code, f.Params)
	return what
}

func (f Failure) next() string {
	_, next := WordsOf(f.Lang).SayError(f.Code, f.Params)
	return next
}
