// The AWS SDK for Go v2: its metadata client, the region and credentials that it takes from the
// metadata service, and a signed call to FAKE_AWS. Prints JSON.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type credentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
}

type result struct {
	Region             string      `json:"region"`
	InstanceID         string      `json:"instanceId"`
	DocumentInstanceID string      `json:"documentInstanceId"`
	IAMInfoCode        string      `json:"iamInfoCode"`
	UserData           string      `json:"userData"`
	Credentials        credentials `json:"credentials"`
	Account            string      `json:"account"`
}

func main() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithEC2IMDSRegion())
	must(err)
	client := imds.NewFromConfig(cfg)

	got := result{
		Region:     cfg.Region,
		InstanceID: metadata(ctx, client, "instance-id"),
		UserData:   userData(ctx, client),
		Account:    account(ctx, cfg),
	}

	document, err := client.GetInstanceIdentityDocument(ctx, nil)
	must(err)
	got.DocumentInstanceID = document.InstanceID

	info, err := client.GetIAMInfo(ctx, nil)
	must(err)
	got.IAMInfoCode = info.Code

	provider := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client })
	value, err := provider.Retrieve(ctx)
	must(err)
	got.Credentials = credentials{value.AccessKeyID, value.SecretAccessKey, value.SessionToken}

	must(json.NewEncoder(os.Stdout).Encode(got))
}

func metadata(ctx context.Context, client *imds.Client, path string) string {
	output, err := client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	must(err)
	return readAll(output.Content)
}

func userData(ctx context.Context, client *imds.Client) string {
	output, err := client.GetUserData(ctx, nil)
	must(err)
	return readAll(output.Content)
}

func account(ctx context.Context, cfg aws.Config) string {
	// The default chain, which ends at the metadata service.
	cfg.EndpointResolverWithOptions = aws.EndpointResolverWithOptionsFunc(
		func(_, region string, _ ...interface{}) (aws.Endpoint, error) {
			return aws.Endpoint{URL: os.Getenv("FAKE_AWS"), SigningRegion: region}, nil
		})
	output, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	must(err)
	return aws.ToString(output.Account)
}

func readAll(from io.ReadCloser) string {
	defer from.Close()
	content, err := io.ReadAll(from)
	must(err)
	return string(content)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
