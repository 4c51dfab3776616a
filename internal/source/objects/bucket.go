package objects

import (
	"context"
	"errors"
	"io"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob" // the s3 scheme
)

// A bucket is an S3 bucket. Keys are sent as the rows hold them, and not by way
// of the library, which would look for some (control characters, "../") under
// spellings of its own: in S3 every other byte is another object.
type bucket struct {
	*blob.Bucket
	client       *s3.Client
	name, prefix string
}

func openBucket(ctx context.Context, address string) (*bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	opened, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return nil, err
	}
	b := &bucket{Bucket: opened, name: u.Host, prefix: u.Query().Get("prefix")}
	if !opened.As(&b.client) {
		return nil, errors.Join(errors.New("no client of S3"), opened.Close())
	}
	return b, nil
}

func (b *bucket) read(ctx context.Context, key string) (io.ReadCloser, error) {
	key = b.prefix + key
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

// delete deletes one object. S3 deletes what is not there without a word, so it
// is looked for first.
func (b *bucket) delete(ctx context.Context, key string) error {
	key = b.prefix + key
	if _, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key}); err != nil {
		return err
	}
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
	return err
}
