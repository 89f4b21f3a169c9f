module github.com/id-alloc/id-alloc/clients/go

go 1.22
